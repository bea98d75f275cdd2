"""A run's data are held against those that the champion was made from, and against the snapshots before."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.pipeline.moving import book, later, to_the_last_stage
from tests.pipeline.support import CHAIN, approve, data, gateway, make_folder, make_run, walk

from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.pipeline import promotion
from assay.pipeline.run import GateFailed

pytestmark = pytest.mark.stack
COMPARED = {"shift", "label_shift", "volume"}


@pytest.fixture
def second(settings, tmp_path):
    """A run of a model whose first version serves; its source is yet to be written."""
    folder = make_folder(tmp_path)
    first = make_run(settings, folder)
    walk(first)
    approve(replace(first, pinned=False))
    with gateway(settings, folder.name) as (reached, says):
        first = replace(first, settings=reached, pinned=False)
        first.__dict__["says"] = says
        to_the_last_stage(first)
        promotion.move(later(first))
    assert book(first).current(folder.name).champion.version == 1
    return make_run(settings, folder, run_key=f"retrain_{folder.name}/second")


def checks_of(run):
    return {check.name: check for check in replace(run).dossier.verdicts()[0].checks}


def test_new_data_are_compared_and_a_replay_compares_them_with_the_same(second):
    pq.write_table(data(seed=1), second.folder.path / "data.parquet")
    walk(second)
    facts = replace(second).dossier.events("snapshot")[0].facts
    first = archive(second.settings).of_version(second.folder.policy.model, 1).events("snapshot")[0].facts
    assert facts["reference"] == first["snapshot"]
    assert [past["rows"] for past in facts["history"]] == [first["rows"]]
    assert checks_of(second).keys() >= COMPARED
    found = replay(archive(second.settings), second.folder.policy.model, 2)
    assert found.agrees, found.to_dict()


def test_data_that_moved_stop_the_run(second):
    table = data(seed=1)
    moved = table.set_column(1, "x", pc.add(table["x"], pa.scalar(2.0)))
    pq.write_table(moved, second.folder.path / "data.parquet")
    walk(second, "snapshot")
    with pytest.raises(GateFailed, match="shift x"):
        walk(second, "data_validation")


def test_the_same_data_again_are_compared_with_nothing(second):
    walk(second, *CHAIN[:2])
    assert replace(second).dossier.events("snapshot")[0].facts["reference"] is None
    assert not checks_of(second).keys() & {"shift", "label_shift"}
