"""A run whose data are in an object store: verified, and judged again, on a machine that has none of them."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.evidence.verify.support import found
from tests.objects import BUCKET, client, keys_below
from tests.pipeline.support import POLICY, SUITE, data, make_folder, make_run, walk

from assay.core import UnavailableError
from assay.data.quarantine import open_entry, quarantined
from assay.data.snapshots import open_snapshot
from assay.data.verify import verify_snapshot
from assay.evidence import expiry
from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.pipeline import steps
from assay.registry.dossier import EvidenceError
from assay.registry.lineage import close_run

pytestmark = pytest.mark.stack
BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "x", "min_value": -20, "max_value": 20},
    "severity": "critical",
}
HELD = {**POLICY["gates"], "contract": {"on_bad_rows": "quarantine", "max_quarantined": 0.01}}


@pytest.fixture
def run(mlflow_server, tmp_path, remote_root):
    """A run to be, of a source with a few bad rows that are to be set aside."""
    folder = make_folder(tmp_path, gates=HELD, data={**POLICY["data"], "keep_days": 3})
    (folder / "contract.json").write_text(json.dumps({**SUITE, "expectations": [*SUITE["expectations"], BETWEEN]}))
    rows = data()
    wrong = pc.is_in(rows["id"], pa.array([3, 700], rows["id"].type))
    pq.write_table(rows.set_column(1, "x", pc.if_else(wrong, 99.0, rows["x"])), folder / "data.parquet")
    operations = f"sqlite:///{tmp_path / 'operations.db'}"
    return make_run(replace(mlflow_server, operations_db=operations, snapshots=remote_root), folder)


def test_the_whole_chain_a_verification_and_a_replay(run, tmp_path, s3_server):
    model, home = run.folder.policy.model, tmp_path / "home"
    walk(run)
    facts = replace(run).dossier.events("snapshot")[0].facts
    (entry,) = quarantined(run.settings.snapshots, model)
    assert (facts["quarantine"]["rows_set_aside"], entry.rows) == (2, 2)
    assert not list(home.rglob(".staging-*"))

    shutil.rmtree(home)  # as another machine sees it
    assert found(run) == []
    shutil.rmtree(home)
    again = replay(archive(run.settings), model, replace(run).version, retrain=True)
    assert [each.differences for each in again.gates] == [()] * len(again.gates)
    assert again.retrained.recorded == again.retrained.retrained
    opened = open_entry(root=run.settings.snapshots, model=model, entry_id=entry.id)
    assert opened.table(["x"])["x"].to_pylist() == [99.0, 99.0]
    assert verify_snapshot(opened) == []

    taken = open_snapshot(root=run.settings.snapshots, model=model, snapshot_id=facts["snapshot"])
    place = taken.folder.place(taken.manifest["files"][0]["path"])
    store, key = client(s3_server), place.removeprefix(f"s3://{BUCKET}/")
    whole = store.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    store.put_object(Bucket=BUCKET, Key=key, Body=whole[:-1] + b"X")
    assert [each.partition(" has SHA-256")[0] for each in found(run)] == [f"{place}:"]
    shutil.rmtree(home)
    with pytest.raises(EvidenceError, match=f"{place}: was changed since the snapshot was made"):
        replay(archive(run.settings), model, replace(run).version)
    store.put_object(Bucket=BUCKET, Key=key, Body=whole)

    close_run(replace(run).dossier, succeeded=False)
    gone = expiry.expire(run.settings, model, today=datetime.now(UTC).date() + timedelta(days=4), by="night").deleted
    assert {each.snapshot for each in gone} == {taken.id, entry.id}
    prefix = taken.folder.place("").removeprefix(f"s3://{BUCKET}/")
    assert [key for key in keys_below(s3_server, prefix) if key.endswith(".parquet")] == []
    assert list(home.rglob("*.parquet")) == []
    assert found(run) == []
    with pytest.raises(EvidenceError, match="its rows were deleted"):
        replay(archive(run.settings), model, replace(run).version)
    again = replace(run, run_key=f"{run.run_key}-again")
    walk(again, "snapshot")
    retaken = open_snapshot(root=run.settings.snapshots, model=model, snapshot_id=taken.id)
    assert retaken.manifest_sha256 != taken.manifest_sha256
    assert verify_snapshot(retaken) == []


def test_a_store_that_is_down_leaves_no_run_behind(run, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="error sending request"):
        steps.snapshot(run)
    assert archive(run.settings).begun(model=run.folder.policy.model, run_key=run.run_key) is None
