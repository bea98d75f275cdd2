"""A dry run does what the pipeline does: the same models, the same verdicts, in the same order."""

from dataclasses import replace

import pytest
from tests.pipeline.support import make_run, walk
from tests.pipeline.unfair import BEFORE, MITIGATED, unfair_folder

from assay.evidence import course
from assay.evidence.dry_run import DryRun, Plan
from assay.pipeline import dags
from assay.pipeline.run import GateFailed


def test_the_course_is_the_order_of_the_dag():
    assert [name for name in dags.STEPS if name in course.TASKS.values()] == list(course.TASKS.values())
    again = [course.task(gate, mitigated=True) for gate in course.JUDGED_AGAIN]
    assert list(dags.MITIGATION) == ["mitigation", *again]


@pytest.mark.stack
def test_models_and_verdicts_are_those_of_the_first_real_run(settings, tmp_path):
    folder = unfair_folder(tmp_path / "models")
    run = make_run(settings, folder, seed=3)
    walk(run, *BEFORE)
    with pytest.raises(GateFailed):
        walk(run, "fairness_gate")
    walk(run, *MITIGATED, "robustness_gate")
    dossier = replace(run).dossier
    tried = DryRun(plan=Plan.of(folder, seed=3), place=tmp_path / "tried")
    ended = [step.verdict for step in tried.steps() if step.verdict is not None]
    recorded = dossier.verdicts()
    assert tried.onnx_sha256 == dossier.events("training")[-1].facts["sha256"]
    assert [_measured(each) for each in ended] == [_measured(each) for each in recorded]


def _measured(verdict):
    """All of a verdict but when it was measured, what it follows in a dossier, and what it spent there."""
    told = verdict.to_dict()
    return {name: each for name, each in told.items() if name not in ("started_at", "seconds", "previous", "budget")}
