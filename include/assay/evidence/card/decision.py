"""How the model turns a score into a decision, which a mitigation may have made to differ between groups."""

from typing import Any

from assay.core import Event
from assay.evidence.card import words
from assay.evidence.card.facts import CardFacts


def mitigation(facts: CardFacts) -> Event | None:
    """The record of the mitigation that made this very model; None for one that is as trained."""
    made = [event for event in facts.events("mitigation") if event.facts["to"] == facts.sha256]
    return made[-1] if made else None


def decides_by(facts: CardFacts) -> list[str]:
    """The columns whose values choose the threshold; empty where one threshold serves everybody."""
    made = mitigation(facts)
    return list(made.facts["attributes"]) if made is not None and _own(made) else []


def thresholds(facts: CardFacts) -> str:
    """The score from which on the model decides for the positive class, and the groups that have their own."""
    plain = words.number(facts.told("training", "threshold"))
    made = mitigation(facts)
    own = [] if made is None else _own(made)
    if not own:
        return plain
    named = [f"{words.number(each['threshold'])} for {words.pairs(each['group'])}" for each in own]
    return f"{words.listed(named)}; {plain} for everybody else"


def _own(made: Event) -> list[dict[str, Any]]:
    return list(made.facts["by_group"]) if made.facts.get("awareness") == "aware" else []
