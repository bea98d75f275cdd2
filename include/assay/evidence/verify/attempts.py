"""Whether each verdict spent the part of the error budget that the operations database counted for it."""

from assay.core import Verdict
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted
from assay.rollout.attempts import Attempts


def check_attempts(case: Case) -> Check:
    """Whether the attempts that the verdicts name are those that were counted, without a gap before them."""
    attempts, found, count = Attempts(case.book.engine), [], 0
    for verdict in case.records:
        if not isinstance(verdict, Verdict) or verdict.budget is None:
            continue
        count += 1
        counted_ones = attempts.of(model=case.model, gate=verdict.gate, snapshot=verdict.snapshot or "")
        path, number = f"{verdict.gate} {verdict.attempt}: attempt", verdict.budget.attempt
        if counted_ones.get(verdict.model or "") != number:
            was = counted_ones.get(verdict.model or "", "none")
            found.append(Finding(path=path, message=f"is {number}, counted in the operations database as {was}"))
        elif gone := sorted(set(range(1, number)) - set(counted_ones.values())):
            lost = ", ".join(map(str, gone))
            found.append(Finding(path=path, message=f"is {number}, but no model was counted as {lost}"))
    return checked("attempts", counted(count, "verdict") + " with a part of the error budget", found)
