"""Validation rows on their whole way: from the split to train(), into the records, and through a replay."""

from dataclasses import replace

import pytest
from tests.evidence.test_training import STOPPING
from tests.pipeline.support import POLICY, make_folder, make_run, walk

from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.evidence.training import ROWS
from assay.governance.told import told

pytestmark = pytest.mark.stack
DATA = {**POLICY["data"], "split": {"validation": 0.2, "test": 0.3}}


def test_a_model_that_was_stopped_by_validation_rows_is_recorded_shown_and_trained_again(settings, tmp_path):
    folder = make_folder(tmp_path, data=DATA)
    (folder / "train.py").write_text(STOPPING)
    run = make_run(settings, folder)
    walk(run)
    (event,) = replace(run).dossier.events("training")
    dealt = replace(run).case.snapshot.manifest["split"]["rows"]
    assert [event.facts[name] for name in ROWS] == [dealt[side] for side in ("train", "validation", "test")]
    assert event.facts["validation_for"] == "train"
    assert f"{dealt['validation']:,} for validation (used by train())" in told(event)
    dossier = run.dossier
    shown = dossier.client.get_run(dossier.run_id).data.metrics
    assert {name: shown[name] for name in ROWS} == {name: event.facts[name] for name in ROWS}
    again = replay(archive(settings), run.folder.policy.model, 1, retrain=True)
    assert again.agrees
    assert again.retrained.retrained == event.facts["sha256"]
