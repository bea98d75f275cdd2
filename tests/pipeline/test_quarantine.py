"""A retraining that sets bad rows aside: it trains without them, says so, and a replay judges the same."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from tests.evidence.whole import changed, missing
from tests.pipeline.support import CHAIN, POLICY, SUITE, data, make_folder, make_run, walk

from assay.core import Outcome, UserError
from assay.data.quarantine import quarantine_of, quarantined
from assay.data.snapshots import create_snapshot, open_snapshot
from assay.evidence.backtest import backtest
from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.evidence.stored import Stored
from assay.evidence.verify import verify
from assay.governance.render import verdict_file
from assay.pipeline.run import GateFailed
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack
BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "x", "min_value": -20, "max_value": 20},
    "severity": "critical",
}
REASON = "expect_column_values_to_be_between x"
HELD = {"on_bad_rows": "quarantine", "max_quarantined": 0.01}


def gates(**contract):
    return {**POLICY["gates"], "contract": contract}


def folder_with(tmp_path, bad, **contract):
    """A model whose source has bad rows at the places that are given."""
    folder = make_folder(tmp_path, gates=gates(**(contract or HELD)))
    (folder / "contract.json").write_text(json.dumps({**SUITE, "expectations": [*SUITE["expectations"], BETWEEN]}))
    rows = data()
    wrong = pc.is_in(rows["id"], pa.array(bad, rows["id"].type))
    pq.write_table(rows.set_column(1, "x", pc.if_else(wrong, 99.0, rows["x"])), folder / "data.parquet")
    return folder


def facts_of(run):
    return replace(run).dossier.events("snapshot")[0].facts["quarantine"]


def contract_of(run):
    return next(each for each in replace(run).dossier.verdicts() if each.gate == "contract")


def check_of(run, name="quarantine"):
    return next(check for check in contract_of(run).checks if check.name == name)


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("quarantine")
    return replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    run = make_run(settings, folder_with(tmp_path_factory.mktemp("trained"), [3, 700, 1400]))
    walk(run)
    return run


def test_it_trains_on_the_rest_and_both_counts_are_recorded(trained):
    facts, check = facts_of(trained), check_of(trained)
    assert (facts["rows_read"], facts["rows_set_aside"], facts["reasons"]) == (1500, 3, {REASON: 3})
    assert (check.outcome, check.estimate, check.support, check.limit.max) == (Outcome.PASS, 0.002, 1500, 0.01)
    assert check.reason == f"3 of 1,500 rows (0.002 of all) set aside, 1,497 clean: 3 for {REASON}"
    assert "3 rows were set aside for it" in check_of(trained, "expect_column_values_to_be_between").reason
    rows = replace(trained).dossier.events("training")[0].facts
    assert rows["training_rows"] + rows["holdout_rows"] == 1497
    (entry,) = quarantined(trained.settings.snapshots, trained.folder.policy.model)
    assert entry.table()["id"].to_pylist() == [3, 700, 1400]
    assert facts["entry"]["manifest_sha256"] == entry.manifest_sha256


def test_a_replay_judges_the_same(trained):
    found = replay(archive(trained.settings), trained.folder.policy.model, 1)
    assert found.agrees, found.to_dict()


def test_the_page_of_the_verdict_tells_both_counts(trained):
    page = verdict_file(contract_of(trained)).decode()
    assert f"3 of 1,500 rows (0.002 of all) set aside, 1,497 clean: 3 for {REASON}" in page


def test_a_verification_notices_what_was_done_to_rows_set_aside(trained):
    def found():
        every = verify(archive(trained.settings), trained.folder.policy.model, 1, patience=0).checks
        (check,) = (each for each in every if each.name == "snapshot")
        assert ", 3 rows set aside, the manifest and the content" in check.about
        return [str(each) for each in check.findings]

    assert found() == []
    store = Path(quarantine_of(trained.settings.snapshots, trained.folder.policy.model).place())
    (file,), (manifest,) = (store / "table").glob("*.parquet"), (store / "manifests").glob("*.json")
    with changed(file, lambda whole: whole[:-1] + b"x"):
        assert [each.partition(": ")[2] for each in found()] == ["was changed since the snapshot was made"]
    with changed(manifest, lambda whole: whole.replace(b'"rows_read": 1500', b'"rows_read": 1501')):
        assert [each.partition(": ")[2] for each in found()] == ["its manifest is not the one that was recorded"]
    for each in (file, manifest):
        with missing(each):
            assert len(found()) == 1
    assert found() == []


@pytest.mark.parametrize(
    ("contract", "would"),
    [
        ({}, Outcome.FAIL),
        ({**HELD, "max_quarantined": 0.001}, Outcome.FAIL),
        ({**HELD, "max_quarantined": 0.002}, Outcome.PASS),
    ],
)
def test_a_backtest_judges_all_rows_under_another_limit(trained, contract, would):
    raw = yaml.safe_load(trained.folder.policy_bytes)
    content = yaml.safe_dump({**raw, "gates": gates(**contract)}).encode()
    found = backtest(trained.settings, trained.folder.policy.model, content, subject="new.yaml")
    (judged,) = (gate for gate in found.runs[0].gates if gate.gate == "contract")
    assert (judged.was, judged.would, judged.source) == (Outcome.PASS, would, "replayed")


def test_too_many_bad_rows_stop_the_run_and_none_is_set_aside(settings, tmp_path):
    run = make_run(settings, folder_with(tmp_path, list(range(16))))
    walk(run, "snapshot")
    with pytest.raises(GateFailed, match="quarantine"):
        walk(run, "data_validation")
    check = check_of(run)
    assert (check.outcome, check.reason) == (
        Outcome.FAIL,
        f"16 of 1,500 rows (0.0107 of all) would have to be set aside and none was: 16 for {REASON}",
    )
    assert check_of(run, "expect_column_values_to_be_between").outcome is Outcome.FAIL
    assert facts_of(run) == {
        "limit": 0.01, "rows_read": 1500, "rows_bad": 16, "rows_set_aside": 0, "reasons": {REASON: 16}, "entry": None,
    }  # fmt: skip
    assert quarantined(settings.snapshots, run.folder.policy.model) == []
    assert replace(run).opened.rows == 1500


def test_clean_rows_say_that_none_was_set_aside(settings, tmp_path):
    run = make_run(settings, folder_with(tmp_path, []))
    walk(run, *CHAIN[:2])
    assert (check_of(run).outcome, check_of(run).estimate) == (Outcome.PASS, 0)


def test_the_task_again_records_the_same_once(settings, tmp_path):
    run = make_run(settings, folder_with(tmp_path, [5]))
    first = walk(run, "snapshot")
    assert walk(run, "snapshot") == first
    assert len(replace(run).dossier.events("snapshot")) == 1
    assert len(quarantined(settings.snapshots, run.folder.policy.model)) == 1


def test_a_snapshot_with_bad_rows_in_it_is_not_trained_on(settings, tmp_path):
    folder = folder_with(tmp_path, [5])
    run = make_run(settings, folder)
    policy = run.folder.policy
    taken = create_snapshot(
        source=policy.data.source, base=folder, data=policy.data, model=policy.model, root=settings.snapshots
    )
    run = replace(run, snapshot=taken.id)
    walk(run, "snapshot")
    with pytest.raises(GateFailed):
        walk(run, "data_validation")
    assert check_of(run).reason == (
        f"1 of 1,500 rows (0.000667 of all) would have to be set aside and none was: 1 for {REASON}"
    )


def test_an_earlier_snapshot_is_judged_as_it_was_taken(trained):
    taken = facts_of(trained)
    again = replace(trained, run_key=f"{trained.run_key}again", snapshot=replace(trained).snapshot_id)
    walk(again, *CHAIN[:2])
    assert facts_of(again) == taken
    assert check_of(again) == check_of(trained)


def test_rows_set_aside_that_were_changed_stop_the_gate_and_a_replay(settings, tmp_path):
    run = make_run(settings, folder_with(tmp_path, [5]))
    walk(run, "snapshot")
    (entry,) = quarantined(settings.snapshots, run.folder.policy.model)
    (file,) = entry.files()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="was changed"):
        walk(run, "data_validation")
    assert contract_of(run).outcome is Outcome.ERROR
    with pytest.raises(EvidenceError, match=r"quarantine.*was changed"):
        Stored.of(archive(settings), replace(run).dossier).sifted()
    open_snapshot(root=settings.snapshots, model=run.folder.policy.model, snapshot_id=replace(run).snapshot_id)
