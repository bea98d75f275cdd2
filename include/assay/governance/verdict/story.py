"""A verdict in plain words: what was judged, what came of it, why, and what can be done next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.core import Check, Outcome, Verdict, worst_first
from assay.evidence.card import words
from assay.evidence.pictures.checks import PAID, is_paired, sides
from assay.evidence.pictures.reliability import is_bin
from assay.governance.verdict.groups import FOUND

_KEYS, _QUARANTINE = 5, "quarantine"
TOLD = 4
"""Checks that the summary names; all of them follow below it."""

_ASKED = {
    "contract": "whether the data are what their contract asks for",
    "performance": "whether the model is good enough",
    "fairness": "whether the model treats groups of people differently",
    "robustness": "how much worse the model gets when its inputs are damaged",
    "approval": "a person who answers for the model",
    "risk_approval": "a second person, who answers for the risk",
    "canary": "whether the model is as good in service as it was on paper",
}
_CAME_TO = {
    Outcome.PASS: "It passes",
    Outcome.FAIL: "It fails",
    Outcome.INCONCLUSIVE: "It is inconclusive",
    Outcome.ERROR: "It could not be measured",
}
_HELD = {
    Outcome.FAIL: ("lies wholly beyond its limit", "lie wholly beyond their limits"),
    Outcome.INCONCLUSIVE: (
        "reaches across its limit, or was not measured whole",
        "reach across their limits, or were not measured whole",
    ),
    Outcome.ERROR: ("could not be measured", "could not be measured"),
}
_MEANS = {
    Outcome.PASS: "Everything that decides is within its limit, its uncertainty included. It says nothing of what the "
    "policy does not limit, nor of people or times that these data do not show.",
    Outcome.FAIL: "The luck of the draw does not explain it: even the end of the interval that is nearest to the limit "
    "lies beyond it. The same model on the same data will fail again.",
    Outcome.INCONCLUSIVE: "These data prove neither that the limit is kept nor that it is broken: an interval reaches "
    "across it, or there were too few rows to measure. That is no pass.",
    Outcome.ERROR: "Nothing was judged: something broke before there was a number. It says nothing about the model.",
}
_NEXT = {
    Outcome.PASS: "Nothing has to be done for this gate; the run goes on.",
    Outcome.FAIL: "Mend the model, the data or the policy, and begin a new run.",
    Outcome.INCONCLUSIVE: "Gather more rows of what is named here. Where the policy asks for a review, a "
    "person decides with these numbers, and answers for it.",
    Outcome.ERROR: "Mend what the reason names and run the task again: an error is retried, never judged.",
}
_WAIVER = "Where the limit must be broken for a time, the owner can sign a waiver that says why and until when."
_NEXT_OF = {
    ("contract", Outcome.FAIL): "Look at the rows that are named, mend them at their source, and begin a new run.",
    ("fairness", Outcome.FAIL): "Look at the groups that are named. Name a mitigation in the policy, or mend the "
    f"features, the label or the data, and begin a new run: it is a new attempt, judged more strictly. {_WAIVER}",
    ("performance", Outcome.FAIL): f"Mend the features, the training or the data, and begin a new run. {_WAIVER}",
    ("robustness", Outcome.FAIL): "Make the model depend less on the inputs that are named, or guard them before it, "
    f"and begin a new run. {_WAIVER}",
}
_MEANS_OF_DATA = (
    "What was found is not what was asked for, and chance does not explain it: rows are counted, not estimated, and "
    "where a check has an interval, all of it lies beyond the limit."
)
_BY_PEOPLE = ("approval", "risk_approval")


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """A verdict's summary, each field one or more sentences; empty where there is nothing to say.

    Attributes
    ----------
    asked
        What was judged, and on what.
    outcome
        What it came to.
    decided
        What decided it, each check with the first sentence of its reason.
    more
        How many further checks came to the same.
    rows
        For data that were held to a contract, how many rows the check objects to that objects to most, and to
        which, and how many were set aside.
    mitigated
        What the mitigation gained and what it cost, each a sentence.
    means, next
        What that means, and what can be done.
    budget
        Which attempt it was, and what it spent of the gate's error.
    """

    asked: str
    outcome: str
    decided: Sequence[tuple[str, str]]
    more: int
    rows: str
    mitigated: Sequence[str]
    means: str
    next: str
    budget: str


def story(verdict: Verdict) -> Story:
    """Tell a verdict to whoever reads nothing else."""
    decided = _deciding(verdict)
    person = verdict.gate in _BY_PEOPLE
    return Story(
        asked=_asked(verdict),
        outcome=_outcome(verdict),
        decided=[(_named(check, verdict.gate), _gist(check.reason)) for check in decided[:TOLD]],
        rows=_rows(verdict, decided) if verdict.gate == "contract" else "",
        more=max(0, len(decided) - TOLD) if verdict.outcome is not Outcome.PASS else 0,
        mitigated=_mitigated(verdict),
        means="" if person or not verdict.checks else _means(verdict),
        next="" if person else _NEXT_OF.get((verdict.gate, verdict.outcome), _NEXT[verdict.outcome]),
        budget=_budget(verdict),
    )


def phrase(check: Check) -> str:
    """A check and the groups that it is about, its metric's name in full.

    Examples
    --------
    >>> phrase(Check(name="tpr_difference", metric="tpr", attribute="sex", outcome=Outcome.FAIL, reason="",
    ...     groups=[{"sex": "Female"}, {"sex": "Male"}]))
    'True positive rate difference by sex (Female against Male)'
    """
    metric, _, of = (check.metric or "").removesuffix("]").partition("[")
    name = check.name.removesuffix(f"[{of}]")
    own = bool(metric) and (name == metric or name.startswith(f"{metric}_"))
    name = words.metric(metric) + words.plain(name[len(metric) :]) if own else words.plain(name)
    name += f" for {of}" if of else ""
    by = f" by {words.attribute(check.attribute)}" if check.attribute else ""
    compared = sides(check)
    return f"{name[:1].upper()}{name[1:]}{by}" + (f" ({compared})" if compared and by else "")


def _named(check: Check, gate: str) -> str:
    """A check as the summary names it: of data the column comes first."""
    if gate != "contract" or check.attribute is None:
        return phrase(check)
    compared = f" ({sides(check)})" if check.groups else ""
    return f"{words.attribute(check.attribute)}: {words.plain(check.name).removeprefix('expect ')}{compared}"


def _rows(verdict: Verdict, decided: Sequence[Check]) -> str:
    most = _most_rows(decided) if verdict.outcome is Outcome.FAIL else ""
    aside = [f"Quarantine: {check.reason.rstrip('.')}." for check in verdict.checks if check.name == _QUARANTINE]
    return " ".join(filter(None, [most, *aside]))


def _most_rows(checks: Sequence[Check]) -> str:
    counted = [each for each in checks if each.metric == "unexpected_share" and each.estimate and each.support]
    if not counted:
        return ""
    most = max(counted, key=lambda each: (each.estimate or 0.0) * (each.support or 0))
    count = round((most.estimate or 0.0) * (most.support or 0))
    told = f"Most rows, {count:,} of {most.support:,}, are refused by “{_named(most, 'contract')}”"
    key = next(iter((most.examples or [{}])[0]), None)
    if key is None or key == most.attribute or not most.examples:
        return f"{told}."
    keys = [str(row.get(key)) for row in most.examples[:_KEYS]]
    more = " and others" if count > len(keys) else ""
    return f"{told}: {key} {', '.join(keys)}{more}."


def rows(verdict: Verdict) -> int | None:
    """How many rows were measured; None when nothing tells.

    Groups that the same columns make are all there are, so their sizes add up to the rows; without
    groups it is the largest number behind a check.
    """
    sizes: dict[tuple[str, ...], int] = {}
    for group in verdict.groups:
        sizes[tuple(group.group)] = sizes.get(tuple(group.group), 0) + group.n
    counted = [*sizes.values(), *(check.support for check in verdict.checks if check.support is not None)]
    return max(counted, default=None)


def _asked(verdict: Verdict) -> str:
    what = _ASKED.get(verdict.gate, "what the policy asks for")
    if verdict.gate in _BY_PEOPLE:
        return f"The {words.plain(verdict.gate)} asked for {what}."
    if any(check.name.endswith("_vs_champion") for check in verdict.checks):
        what += ", and no worse than the one that serves now"
    kinds = dict.fromkeys(tuple(group.group) for group in verdict.groups if not is_bin(group))
    by = [words.attribute("*".join(columns)) for columns in kinds if columns != FOUND]
    columns = f", by {_listed(by)}" if by else ""
    count = rows(verdict)
    on = "" if count is None else f" It measured {count:,} row{'s' if count != 1 else ''}"
    data = f" of the data {_short(verdict.snapshot)}" if on and verdict.snapshot else ""
    return f"The {words.plain(verdict.gate)} gate asked {what}{columns}." + (f"{on}{data}." if on else "")


def _outcome(verdict: Verdict) -> str:
    came_to = _CAME_TO[verdict.outcome]
    critical = [check for check in verdict.checks if check.severity == "critical"]
    if not verdict.checks:
        return f"{came_to}: nothing was checked, so nothing is shown."
    if not critical:
        return f"{came_to}: no check that decides was made."
    if verdict.outcome is Outcome.PASS:
        others = sum(check.outcome is not Outcome.PASS for check in verdict.checks)
        do = "does" if others == 1 else "do"
        note = f" {others} other{'s' if others != 1 else ''} {do} not pass, and {do} not decide."
        how = "the only check that decides does" if len(critical) == 1 else f"all {len(critical)} checks that decide do"
        return f"{came_to}: {how}.{note if others else ''}"
    worse = sum(check.outcome is verdict.outcome for check in critical)
    measured = any(check.interval for check in critical) and verdict.gate != "contract"
    held = _HELD[verdict.outcome][worse > 1] if measured else f"came to {verdict.outcome}"
    if len(critical) == 1:
        return f"{came_to}."
    return f"{came_to}: {worse} of the {len(critical)} checks that decide {held}."


def _deciding(verdict: Verdict) -> list[Check]:
    if verdict.outcome is Outcome.PASS:
        critical = [check for check in verdict.checks if check.severity == "critical"]
        nearest = replace(verdict, checks=critical).worst_check
        return [] if nearest is None else [nearest]
    deciding = [each for each in verdict.checks if each.severity == "critical" and each.outcome is verdict.outcome]
    return sorted(deciding, key=worst_first)


def _gist(reason: str) -> str:
    """The finding, without what could not be measured beside it and how much more data would show."""
    return reason.partition("; not measured")[0].partition(". ")[0].rstrip(".")


def _mitigated(verdict: Verdict) -> list[str]:
    """What was paid, then what is proven to be gained or lost, then how much is not proven."""
    paired = sorted((check for check in verdict.checks if is_paired(check)), key=lambda check: check.name != PAID)
    unsure = [check for check in paired if check.name != PAID and check.outcome is Outcome.INCONCLUSIVE]
    told = [_gist(check.reason) for check in paired if check not in unsure]
    if unsure:
        count = f"{len(unsure)} comparison{'s' if len(unsure) != 1 else ''}"
        told.append(f"In {count} by group neither gain nor loss is proven: see the checks for information")
    return told


def _means(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.FAIL and not any(each.interval for each in _deciding(verdict)):
        return "What was found is not what was asked for. It is a count, not an estimate: no luck is in it."
    if verdict.outcome is Outcome.FAIL and verdict.gate == "contract":
        return _MEANS_OF_DATA
    return _MEANS[verdict.outcome]


def _budget(verdict: Verdict) -> str:
    spent = verdict.budget
    if spent is None:
        return ""
    which = "the first" if spent.attempt == 1 else f"number {spent.attempt}"
    total, own = words.percent(1 - spent.confidence), f"{100 * (1 - spent.level):.3g}"
    return (
        f"Of the models that this gate measured on these data, this was {which}. For all of them together its "
        f"probability of error is {total}; on this one it spent {own} percentage points, so its intervals hold "
        f"together at {words.percent(spent.level)}. The next model gets less: trying until one passes does not work."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(snapshot: str) -> str:
    return snapshot if len(snapshot) <= 40 else f"{snapshot[:26]}…"
