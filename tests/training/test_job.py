"""A training job's folder: what an earlier attempt left is undone, and what nobody comes back to is deleted."""

import json
import os
import time

import numpy as np
import pytest

from assay.training import relay
from assay.training.job import HELD_OUT, TRAINING, VALIDATION, JobFolder, Spec, write_rows
from assay.training.stale_jobs import remove_stale_jobs

SPEC = Spec(
    model="toy", features={"x": "number"}, label="y", classes=("no", "yes"), groups=(), seed=1, parameters={},
    threshold=0.5, mitigation=None, validation=True, limits={"wall_seconds": 60}, tier="low",
)  # fmt: skip


@pytest.fixture
def job(tmp_path):
    made = JobFolder(tmp_path / "jobs" / "one")
    made.create(SPEC, {"train.py": b""})
    for place in (made.rows / TRAINING, made.withheld / VALIDATION, made.withheld / HELD_OUT):
        write_rows(place, features={"x": np.zeros((2, 1), np.float32)})
    return made


def files(job):
    return sorted(str(each.relative_to(job.path)) for each in job.path.rglob("*") if each.is_file())


def test_a_job_that_is_run_again_starts_without_rows_that_are_not_due(job):
    before = files(job)
    job.release(VALIDATION)
    job.release(HELD_OUT)
    (job.scratch / "copy of held-out rows").write_text("x")
    job.keep("model.onnx", b"x")
    (job.trial / "f").write_text("x")
    job.finish({"isolation": "none"})
    job.rewind()
    assert files(job) == before
    job.rewind()
    assert files(job) == before


def test_a_second_attempt_never_shows_the_box_what_the_first_was_given_last(job, monkeypatch):
    class StopError(Exception):
        pass

    seen = []

    class Looks:
        def __init__(self, *, readable, scratch, **_):
            seen.append(sorted(each.name for place in (*readable, scratch) for each in place.iterdir()))
            raise StopError

    monkeypatch.setattr(relay, "Box", Looks)
    monkeypatch.setenv("ASSAY_ISOLATION", "none")
    job.release(HELD_OUT)
    (job.scratch / "copy").write_text("x")
    with pytest.raises(StopError):
        relay.run_job(job)
    assert seen == [["job.json", "toy", TRAINING]]


def test_only_jobs_that_no_task_can_still_be_at_work_on_are_deleted(job, tmp_path):
    torn = JobFolder(tmp_path / "jobs" / "torn")
    torn.rows.mkdir(parents=True)
    (torn.rows / TRAINING).write_text("rows")
    assert remove_stale_jobs(tmp_path / "jobs") == []
    aged(job.rows / "job.json", days=1.9)
    aged(torn.path, days=1.9)
    assert remove_stale_jobs(tmp_path / "jobs") == []
    aged(job.rows / "job.json", days=2.1)
    aged(torn.path, days=2.1)
    assert remove_stale_jobs(tmp_path / "jobs") == [job.path, torn.path]
    assert not list((tmp_path / "jobs").iterdir())


def test_a_job_that_may_run_for_days_is_left_alone(job):
    limits = json.loads((job.rows / "job.json").read_text()) | {"limits": {"wall_seconds": 7 * 86_400}}
    (job.rows / "job.json").write_text(json.dumps(limits))
    aged(job.rows / "job.json", days=8)
    assert remove_stale_jobs(job.path.parent) == []


def aged(path, *, days):
    at = time.time() - days * 86_400
    os.utime(path, (at, at))
