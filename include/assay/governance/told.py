"""What an event says, as a sentence."""

from collections.abc import Callable, Mapping
from typing import Any

from assay.core import Event
from assay.evidence.card import words

Facts = Mapping[str, Any]


def told(event: Event) -> str:
    """An event as a sentence; empty for a kind that this version of Assay does not know.

    Examples
    --------
    >>> told(Event(event="registration", operation="r", by="run", at="2026-01-05T10:00:00Z", facts={"version": 3}))
    'Registered as version 3.'
    """
    try:
        return _SENTENCES[event.event](event.facts) if event.event in _SENTENCES else ""
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ):  # another version of Assay wrote it: its facts are shown as they are
        return ""


def _request(facts: Facts) -> str:
    return f"Asked for by {facts['requester'] or 'the schedule'}{_because(facts['reason'])}"


def _snapshot(facts: Facts) -> str:
    fixed = f"Fixed the data as {facts['snapshot']}: {facts['rows']:,} rows of {facts['source']}"
    return f"{fixed}{_quarantine(facts.get('quarantine'))}."


def _quarantine(facts: Facts | None) -> str:
    if facts is None:
        return ""
    read, bad = f"{facts['rows_read']:,}", f"{facts['rows_bad']:,}"
    if facts["rows_bad"] == facts["rows_set_aside"]:
        return f"; of {read} that were read, {bad} were set aside"
    return f"; {bad} of them are bad, and none was set aside"


def _training(facts: Facts) -> str:
    rows = f"{facts['training_rows']:,} rows, {facts['holdout_rows']:,} held out{_validation(facts)}"
    what = f"the candidate {facts['candidate']}" + (", a mitigated one," if facts.get("mitigates") else "")
    box = words.isolation(facts.get("isolation"))
    isolated = f" Isolation of the training code: {box}." if box else ""
    return f"Trained {what} with seed {facts['seed']} on {rows}.{isolated}"


def _validation(facts: Facts) -> str:
    if not facts.get("validation_rows"):
        return ""
    use = {None: "nothing", "train": "train()"}.get(facts.get("validation_for"), facts.get("validation_for"))
    return f", {facts['validation_rows']:,} for validation (used by {use})"


def _mitigation(facts: Facts) -> str:
    by = f" on {', '.join(facts['attributes'])}" if facts.get("attributes") else ""
    return (
        f"Made the model {facts['to'][:12]} from {facts['from'][:12]}, which the fairness gate had refused, "
        f"by {facts['method'].replace('_', ' ')}{by}."
    )


def _waiver(facts: Facts) -> str:
    name = "/".join(filter(None, [facts["gate"], facts["waived_check"], facts["waived_attribute"]]))
    return (
        f"{name} went on by the waiver {facts['id']} of {facts['owner']}, until {facts['expires']}: {facts['reason']}"
    )


def _approval_request(facts: Facts) -> str:
    return f"Asked the {facts['role'].replace('_', ' ')} about version {facts['version']}."


def _invalid_answer(facts: Facts) -> str:
    asked = facts["role"].replace("_", " ")
    return f"An answer as {asked} did not count: {facts['who'] or 'it'} {facts['why']}. The question stayed open."


def _rollout(facts: Facts) -> str:
    return (
        f"Version {facts['version']} moved from {facts['from_stage']} to {facts['to_stage']}{_because(facts['reason'])}"
    )


def _alias(facts: Facts) -> str:
    before = "" if facts["previous"] is None else f", before it version {facts['previous']}"
    now = "nothing" if facts["version"] is None else f"version {facts['version']}"
    return f"@{facts['alias']} names {now}{before}."


def _retirement(facts: Facts) -> str:
    return f"Retired version {facts['version']}{_because(facts['reason'])}"


def _expiry(facts: Facts) -> str:
    until = f", which might be kept until {facts['keep_until']}" if facts["keep_until"] else ""
    return f"Deleted the {facts['rows']:,} rows of {facts['snapshot']} ({facts['bytes'] / 1e6:,.1f} MB){until}."


def _restoration(facts: Facts) -> str:
    what = f"@{facts['alias']}" if "alias" in facts else f"the tag {facts['tag']} of {facts['where']}"
    was, now = ("nothing" if facts[each] is None else facts[each] for each in ("was", "now"))
    return f"Set {what} back from {was} to {now}, which other hands had changed (incident {facts['incident']})."


def _because(reason: str) -> str:
    return f": {reason}" if reason else "."


_SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "request": _request,
    "snapshot": _snapshot,
    "training": _training,
    "mitigation": _mitigation,
    "waiver": _waiver,
    "registration": lambda facts: f"Registered as version {facts['version']}.",
    "card": lambda facts: f"Wrote the model card of version {facts['version']}.",
    "approval_request": _approval_request,
    "invalid_answer": _invalid_answer,
    "rollout": _rollout,
    "alias": _alias,
    "retirement": _retirement,
    "restoration": _restoration,
    "expiry": _expiry,
}
