"""The steps from snapshot to registration, as tasks run them, against a real MLflow server."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.pipeline.support import (
    CHAIN,
    POLICY,
    TRAIN,
    data,
    gates_of,
    make_folder,
    make_run,
    train_by_hand,
    walk,
)

from assay.core import UnavailableError, UserError, sha256_bytes
from assay.data import snapshots
from assay.data.splits import holdout_mask
from assay.evidence.opening import archive
from assay.pipeline import gating, requests, steps
from assay.pipeline.run import GateFailed
from assay.pipeline.training import job_folder
from assay.registry.client import connect
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack
PASSED = [("contract", "PASS"), ("performance", "PASS"), ("fairness", "PASS"), ("robustness", "PASS")]


@pytest.fixture(scope="module")
def finished(mlflow_server, tmp_path_factory):
    """A run that came through to its registration; tests only read it or repeat its steps."""
    home = tmp_path_factory.mktemp("finished")
    settings = replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")
    run = make_run(settings, make_folder(home / "models"))
    return run, walk(run)


def in_registry(settings, model):
    """How many candidates and versions the registry has of a model."""
    client = connect(settings)
    experiment = client.get_experiment_by_name(f"assay/{model}")
    candidates = client.search_logged_models([experiment.experiment_id]) if experiment else []
    return len(candidates), len(client.search_model_versions(f"name = '{model}'"))


def test_the_whole_chain_hands_on_small_references_and_leaves_its_evidence(finished):
    run, handed = finished
    model = run.folder.policy.model
    dossier = replace(run).dossier
    assert gates_of(run) == PASSED
    assert in_registry(run.settings, model) == (1, 1)
    assert handed["snapshot"]["dossier"] == dossier.run_id
    assert handed["snapshot"]["snapshot"] == replace(run).snapshot_id
    assert handed["registration"] == {"version": 1}
    assert dossier.read("inputs/policy.yaml") == run.folder.policy_bytes
    tags = dossier.tags()
    assert (tags["assay.requester"], tags["assay.reason"], tags["assay.seed"]) == ("engineer", "new | data", "1")
    candidate, onnx = replace(run).candidate, replace(run).onnx
    assert onnx.digest == candidate.digest == handed["training"]["sha256"]
    for verdict in dossier.verdicts():
        assert verdict.model == (None if verdict.gate == "contract" else candidate.digest)
        assert (verdict.snapshot, verdict.policy_sha256) == (run.snapshot_id, run.folder.policy_sha256)
        assert verdict.code_version == run.code_version
    version = dossier.client.get_model_version(model, "1")
    tagged = {key: value for key, value in version.tags.items() if key.startswith("assay.verdict.")}
    assert tagged == {f"assay.verdict.{each.gate}": f"PASS {each.digest}" for each in dossier.verdicts()}


def test_every_step_may_run_twice(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    handed = [walk(run, name, name)[name] for name in CHAIN]
    assert [each for gate in PASSED for each in (gate, gate)] == gates_of(run)
    assert in_registry(settings, run.folder.policy.model) == (1, 1)
    assert walk(run, "registration")["registration"] == handed[-1] == {"version": 1}
    assert walk(run, "training")["training"] == handed[2]
    cards = [walk(run, "model_card")["model_card"] for _ in range(2)]
    assert cards[0] == cards[1]
    (event,) = run.dossier.events("card")
    for name, digest in event.facts["files"].items():
        assert sha256_bytes(run.dossier.read(name)) == digest
    assert "card/1/" in run.dossier.client.get_model_version(run.folder.policy.model, "1").description


@pytest.mark.parametrize(
    ("done", "step", "missing"),
    [
        ((), "data_validation", ["has no dossier, the task snapshot has not run"]),
        (("snapshot",), "training", ["contract: no verdict"]),
        (("snapshot", "data_validation"), "performance_gate", ["training: the dossier records none"]),
        (("snapshot", "data_validation", "training"), "fairness_gate", ["performance: no verdict"]),
        (
            ("snapshot", "data_validation", "training"),
            "registration",
            ["performance: no verdict", "fairness: no verdict", "robustness: no verdict"],
        ),
        (("snapshot", "data_validation", "training", "performance_gate"), "robustness_gate", ["fairness: no verdict"]),
    ],
)
def test_a_step_out_of_its_turn_is_refused_with_all_that_is_missing(settings, tmp_path, done, step, missing):
    run = make_run(settings, make_folder(tmp_path))
    for name in done:
        walk(run, name)
    with pytest.raises(EvidenceError) as raised:
        walk(run, step)
    assert len(raised.value.reasons) == len(missing)
    assert all(reason.endswith(said) for reason, said in zip(raised.value.reasons, missing, strict=True))
    assert in_registry(settings, run.folder.policy.model)[1] == 0


def test_nothing_goes_on_after_a_gate_said_no(settings, tmp_path):
    parts = {"performance": {"draws": 100, "checks": [{"metric": "auc", "min": 0.999}]}}
    run = make_run(settings, make_folder(tmp_path, gates={**POLICY["gates"], **parts}))
    walk(run, *CHAIN[:3])
    with pytest.raises(GateFailed, match="performance gate: FAIL: auc"):
        walk(run, "performance_gate")
    assert gates_of(run)[-1] == ("performance", "FAIL")
    for step in ("fairness_gate", "robustness_gate", "registration"):
        with pytest.raises(EvidenceError, match="performance: its verdict is FAIL"):
            walk(run, step)
    assert in_registry(settings, run.folder.policy.model) == (1, 0)


def test_a_run_keeps_its_snapshot_when_the_task_is_repeated_on_changed_data(settings, tmp_path):
    folder = make_folder(tmp_path)
    run = make_run(settings, folder)
    first = walk(run, "snapshot")
    pq.write_table(data(seed=1).slice(0, 1200), folder / "data.parquet")
    assert walk(run, "snapshot") == first
    another = walk(replace(run, run_key=run.run_key + "again"), "snapshot")
    assert another["snapshot"]["rows"] == 1200


def test_a_retraining_that_gives_another_model_needs_everything_shown_anew(settings, tmp_path):
    folder = make_folder(tmp_path)
    run = make_run(settings, folder)
    walk(run)
    train_by_hand(run, bias=3.0)  # what a library that is not deterministic does
    with pytest.raises(EvidenceError, match="performance: its verdict is about another model"):
        walk(run, "fairness_gate")


def test_a_run_is_not_repeated_under_another_policy(settings, tmp_path):
    folder = make_folder(tmp_path)
    begun = make_run(settings, folder)
    walk(begun, "snapshot")
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text() + "\n# only a comment\n")
    with pytest.raises(EvidenceError, match="the policy has changed since this run began; trigger a new run"):
        walk(make_run(settings, folder), "snapshot")
    assert begun.dossier.read("inputs/policy.yaml") == begun.folder.policy_bytes


def test_a_champion_that_reads_a_dropped_feature_is_still_compared_with(settings, tmp_path, monkeypatch):
    folder = make_folder(tmp_path)
    before = make_run(settings, folder)
    walk(before, *CHAIN[:3])
    champion = before.onnx
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    policy["data"]["features"] = ["x"]
    policy["gates"]["performance"]["champion"] = [{"metric": "auc", "margin": 0.5}]
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    (folder / "train.py").write_text(TRAIN.replace('("word", OneHotEncoder(handle_unknown="ignore"), ["word"]), ', ""))
    after = make_run(settings, folder, run_key=before.run_key + "again")
    monkeypatch.setattr(gating, "_champion", lambda _: (3, champion))
    walk(after, *CHAIN[:4])
    assert list(replace(after).onnx.inputs) == ["x"]
    level, against = after.dossier.verdicts()[-1].checks
    assert (level.name, against.name) == ("auc", "auc_vs_champion")
    assert level.groups is None
    assert list(against.groups) == [{"version": "candidate"}, {"version": "3"}]


def test_an_earlier_snapshot_can_be_asked_for(finished, settings):
    run, handed = finished
    again = replace(run, run_key=run.run_key + "again", snapshot=handed["snapshot"]["snapshot"])
    walked = walk(again, *CHAIN[:3])
    assert walked["snapshot"]["snapshot"] == handed["snapshot"]["snapshot"]
    assert walked["training"]["sha256"] == handed["training"]["sha256"]  # same snapshot, seed and code
    with pytest.raises(UserError, match="no such snapshot"):
        walk(replace(run, run_key=run.run_key + "none", snapshot=f"{run.folder.policy.model}-{'0' * 16}"), "snapshot")


def test_an_older_policy_and_missing_verdicts_are_said_together(settings, tmp_path):
    folder = make_folder(tmp_path)
    walk(make_run(settings, folder), *CHAIN[:3])
    with (folder / "policy.yaml").open("a") as policy:
        policy.write("\n# stricter in spirit\n")
    with pytest.raises(EvidenceError) as raised:
        walk(make_run(settings, folder), "registration")
    assert raised.value.reasons[0].startswith("the policy has changed since this run began")
    assert "contract: its verdict is about another policy_sha256" in raised.value.reasons[1]
    assert [each for each in raised.value.reasons if each.endswith("no verdict")] == [
        f"{gate}: no verdict" for gate in steps.GATES
    ]


def absent(folder):
    (folder / "data.parquet").unlink()


def empty(folder):
    (folder / "data.parquet").write_bytes(b"")


def corrupt(folder):
    whole = (folder / "data.parquet").read_bytes()
    (folder / "data.parquet").write_bytes(whole[: len(whole) // 2])


def without_columns(folder):
    pq.write_table(data().drop_columns(["y", "sex"]), folder / "data.parquet")


def never_positive(folder):
    table = data()
    labels = pa.array(["no" if row % 2 else "maybe" for row in range(table.num_rows)])
    pq.write_table(table.drop_columns(["y"]).append_column("y", labels), folder / "data.parquet")


def no_rows(folder):
    pq.write_table(data().slice(0, 0), folder / "data.parquet")


BAD = {
    absent: ["no such file"],
    empty: ["is empty (0 bytes)"],
    corrupt: ["cannot be read as Parquet: "],
    without_columns: ["no such column", "no such column"],
    never_positive: ['the positive class "yes" never occurs'],
    no_rows: ["has no rows"],
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda each: each.__name__)
def test_data_that_cannot_be_used_are_told_at_once_and_leave_nothing(settings, tmp_path, spoil):
    folder = make_folder(tmp_path)
    spoil(folder)
    run = make_run(settings, folder)
    with pytest.raises(UserError) as raised:
        walk(run, "snapshot")
    told = [each.message for each in raised.value.problems]
    assert len(told) == len(BAD[spoil])
    assert all(message.startswith(said) for message, said in zip(told, BAD[spoil], strict=True))
    assert snapshots.list_snapshots(settings.snapshots, folder.name) == []
    assert connect(settings).get_experiment_by_name(f"assay/{folder.name}") is None


def test_a_full_disk_is_no_fault_of_the_data_and_the_next_attempt_succeeds(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(UnavailableError, match="No space left on device"):
            walk(run, "snapshot")
    assert connect(settings).get_experiment_by_name(f"assay/{run.folder.policy.model}") is None
    assert walk(run, "snapshot")["snapshot"]["rows"] == 1500


def test_mlflow_down_is_worth_a_retry(settings, tmp_path):
    run = make_run(replace(settings, tracking_uri="http://127.0.0.1:9"), make_folder(tmp_path))
    with pytest.raises(UnavailableError, match="MLflow failed while"):
        walk(run, "snapshot")
    assert walk(replace(run, settings=settings), "snapshot")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def train(features, label, *, seed, parameters):\n    return None\n", "train() returned NoneType"),
        ("def train(:\n", "cannot be imported: SyntaxError"),
    ],
)
def test_a_train_that_does_not_do_its_part_leaves_no_candidate(settings, tmp_path, source, told):
    folder = make_folder(tmp_path)
    (folder / "train.py").write_text(source)
    run = make_run(settings, folder)
    walk(run, *CHAIN[:2])
    with pytest.raises(UserError) as raised:
        walk(run, "training")
    assert told in str(raised.value)
    assert in_registry(settings, folder.name) == (0, 0)
    with pytest.raises(EvidenceError, match="training: the dossier records none"):
        walk(run, "performance_gate")


def test_too_few_rows_to_hold_any_out_are_told(settings, tmp_path):
    alone = {"contract": {"split_overlap": None}}  # which would ask for rows to test on before there is a model
    folder = make_folder(tmp_path, gates={**POLICY["gates"], **alone})
    kept = data().filter(~holdout_mask(data()["id"], 0.3)).slice(0, 20)
    pq.write_table(kept, folder / "data.parquet")
    run = make_run(settings, folder)
    walk(run, *CHAIN[:2])
    with pytest.raises(UserError, match=r"data\.holdout: holds out 0 of 20 rows"):
        walk(run, "training")
    assert in_registry(settings, folder.name) == (0, 0)


def test_the_dossier_of_another_run_is_not_this_one_s(finished):
    run, _ = finished
    with pytest.raises(EvidenceError, match="has no dossier"):
        archive(run.settings).find(model=run.folder.policy.model, run_key=run.run_key + "x")
    assert steps.GATES == ("performance", "fairness", "robustness")


def test_code_that_changed_on_disk_under_a_running_worker_is_told(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path))
    monkeypatch.setattr(requests, "archived_code", lambda _: "another")
    with pytest.raises(EvidenceError, match="the code on disk is not the code that runs; restart the worker"):
        walk(run, "snapshot")


def test_a_training_that_fails_leaves_no_rows_behind(settings, tmp_path):
    folder = make_folder(tmp_path)
    (folder / "train.py").write_text("def train(features, label, *, seed, parameters):\n    raise ValueError('no')\n")
    run = make_run(settings, folder)
    walk(run, *CHAIN[:2])
    with pytest.raises(UserError, match="raised ValueError: no"):
        walk(run, "training")
    assert not job_folder(settings, run.run_key, "first").path.exists()
