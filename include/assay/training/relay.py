"""Run a training job in the box: pass it rows when they are due, and take out what it made.

The relay is trusted with rows and with nothing else: it needs no key, no database and no server, so it may run on a
worker that has none of them.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from assay.core import AssayError, Problem, UserError
from assay.isolation import Box, Level, Limits, choose, isolation_setting, read_out, sole_use
from assay.training.job import (
    HELD_OUT,
    LARGEST,
    SCORES,
    VALIDATION,
    JobFolder,
    Spec,
    read_rows,
)

log = logging.getLogger(__name__)

INSIDE, TRIAL = "assay.training.inside", "assay.training.trial"
_TRIAL_SECONDS = 600.0  # of processor time, and by the clock once training has ended
PRINTED = "train.py> "
"""What every line begins with that the team's code prints, so that none is taken for one of ours."""

_MOST_PROBLEMS, _LONGEST = 50, 2_000


def log_printed(line: str) -> None:
    """Log a line that the team's code printed."""
    log.info("%s%s", PRINTED, line)


def run_job(job: JobFolder, *, report: Callable[[str], None] = log_printed) -> None:
    """Run a job to its end, or say in its folder what the team's code did wrong.

    Parameters
    ----------
    job
        As `JobFolder.create` made it, with its rows.
    report
        Gets every line that the team's code prints.

    Raises
    ------
    UserError
        When this machine cannot isolate the job as the settings and the risk tier ask for.
    """
    spec = job.spec
    level = choose(isolation_setting(), tier=spec.tier)
    log.info("training runs in a box: isolation %s; lines that begin with %r are its own", level, PRINTED)
    job.rewind()
    try:
        with sole_use(level):
            use = _run(job, spec, level, report)
    except AssayError as error:
        job.finish({"isolation": level, "error": _written(error)})
        return
    job.finish({"isolation": level, "validation_for": use})


def _run(job: JobFolder, spec: Spec, level: Level, report: Callable[[str], None]) -> str | None:
    limits = Limits(**spec.limits)  # type: ignore[arg-type]  # the spec was written from Limits
    scores = 8 * read_rows(job.withheld / HELD_OUT).num_rows
    with Box(
        level=level, module=INSIDE, readable=[job.model, job.rows], scratch=job.scratch, limits=limits, log=report
    ) as box:
        use = _user(_said(box, {"job": str(job.path)}, "asks"), spec)
        if use is not None:
            job.release(VALIDATION)
        with _trial(job, level, limits) as trial:  # its imports take no time while the model is fitted
            _said(box, {"go": True}, "made")
            for name, largest in LARGEST.items():
                _take(job, name, largest)
            job.release(HELD_OUT)  # only now: the bytes are fixed
            trial.send(json.dumps({"job": str(job.path)}))
            _said(box, {"held_out": True}, "scored")
            _answer(trial, "tried")
        _take(job, SCORES, scores)
    return use


def _trial(job: JobFolder, level: Level, limits: Limits) -> Box:
    """A second box, for what the code in the first one cannot have reached: see `assay.training.trial`."""
    narrower = replace(limits, cpu_seconds=_TRIAL_SECONDS, wall_seconds=limits.wall_seconds + _TRIAL_SECONDS)
    return Box(
        level=level,
        module=TRIAL,
        readable=[job.rows, job.made],
        scratch=job.trial,
        limits=narrower,
        log=lambda line: log.info("trial of model.onnx: %s", line),
        subject="trying model.onnx",
    )


def _said(box: Box, message: dict[str, Any], expected: str) -> Any:
    """Send a line, and return what the answer says under the one key that it must have.

    Raises
    ------
    UserError
        What the box says went wrong.
    """
    box.send(json.dumps(message))
    return _answer(box, expected)


def _answer(box: Box, expected: str) -> Any:
    try:
        answer = json.loads(box.receive())
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and set(answer) == {"error"}:
        raise _error(answer["error"])
    if not isinstance(answer, dict) or set(answer) != {expected}:
        raise _broken("does not answer in the agreed form")
    return answer[expected]


def _user(asks: Any, spec: Spec) -> str | None:
    """Who uses the validation rows."""
    known = {None, "train"} if spec.mitigation is None else {None, "train", spec.mitigation["method"]}
    if not isinstance(asks, str | None) or asks not in known or (asks is not None and not spec.validation):
        raise _broken("asks for rows that it may not have")
    return asks


def _take(job: JobFolder, name: str, largest: int) -> None:
    job.keep(name, read_out(job.scratch, name, limit=largest))


def _error(said: Any) -> UserError:
    """What the box says went wrong, as text of bounded length in which every character can be seen."""
    try:
        found = [
            Problem(**{key: _clean(each[key]) for key in ("path", "message", "mend")}) for each in said["problems"]
        ]
        subject = _clean(said["subject"])
    except (TypeError, KeyError, AttributeError, RecursionError):
        return _broken("does not say in the agreed form what went wrong")
    return UserError(subject, found[:_MOST_PROBLEMS]) if found else _broken("fails without a reason")


def _clean(text: Any) -> str:
    shown = str(text)[:_LONGEST]
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in shown)


def _broken(message: str) -> UserError:
    mend = "train.py must return a fitted pipeline and leave the process that runs it alone"
    return UserError("train.py", [Problem(path="train.py", message=f"the process that runs it {message}", mend=mend)])


def _written(error: AssayError) -> dict[str, Any]:
    problems = error.problems if isinstance(error, UserError) else (Problem(path="train.py", message=str(error)),)
    subject = error.subject if isinstance(error, UserError) else "training"
    listed = [{"path": each.path, "message": each.message, "mend": each.mend} for each in problems]
    return {"subject": subject, "problems": listed}
