"""Read `result.json` of a training job, which untrusted code wrote: how the model decides, and what mitigation says."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core import problem
from assay.policy import Mitigation, Policy, Thresholds

if TYPE_CHECKING:
    from assay.training.group_thresholds import GroupThresholds

_LARGEST_FACTS = 1 << 20  # characters; they go into the dossier
_MOST_ENTRIES, _DEEPEST, _LONGEST_TEXT = 10_000, 4, 10_000
_FACTS = frozenset((
    "method", "models", "weights", "awareness", "target", "chosen_on", "chosen_on_rows", "threshold", "by_group",
    "not_compared", "gap", "accuracy", "accuracy_before", "constraint", "candidates", "weight", "reached",
))  # fmt: skip
"""What the methods of mitigation say about themselves; see `assay.training.mitigation.fit`."""


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How the model decides, and what mitigation says it did.

    Attributes
    ----------
    threshold, by_group
        See `assay.training.onnx_model.OnnxModel`; held to the policy.
    facts
        Plain JSON values of bounded size and depth. The box says so: they are shown, and decide nothing.
    """

    threshold: float
    by_group: "GroupThresholds | None"
    facts: Mapping[str, Any]


def read_rule(content: bytes, policy: Policy, *, mitigated: bool) -> DecisionRule:
    """The decision rule: the policy's, where its mitigation does not choose another.

    Raises
    ------
    UserError
        When the content has another form, or a rule that the policy does not ask for.
    """
    from assay.training.group_thresholds import GroupThresholds

    mitigation = policy.mitigation if mitigated else None
    try:
        found = json.loads(content)
        threshold, own, facts = float(found["threshold"]), found["by_group"], dict(found["facts"])
        facts.pop("legal_note", None)
        by_group = None if own is None else GroupThresholds.from_json(json.dumps(own))
        fine = _fine(facts, depth=0) and len(json.dumps(facts)) <= _LARGEST_FACTS
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise problem("train.py", "left a result that is not in the agreed form") from None
    if not fine or not set(facts) <= _FACTS:
        raise problem("train.py", "left facts about mitigation that are not in the agreed form")
    chosen = isinstance(mitigation, Thresholds)
    expected = tuple(mitigation.attributes) if isinstance(mitigation, Thresholds) else ()
    if (
        not 0 < threshold < 1
        or (threshold != policy.training.threshold and not chosen)
        or (by_group is not None and (not chosen or by_group.attributes != expected))
    ):
        raise problem("train.py", "left a decision rule that the policy does not ask for")
    return DecisionRule(threshold, by_group, _true(facts, threshold, by_group, mitigation))


def _true(
    facts: dict[str, Any], threshold: float, by_group: "GroupThresholds | None", mitigation: Mitigation | None
) -> dict[str, Any]:
    """The facts, with what is known for certain in the place of what the box says."""
    known: dict[str, Any] = {}
    if isinstance(mitigation, Thresholds) and mitigation.legal_note is not None:
        known["legal_note"] = mitigation.legal_note
    if "threshold" in facts:
        known["threshold"] = threshold
    if by_group is not None:
        pairs = by_group.by_group.items()
        known["by_group"] = [
            {"group": dict(zip(by_group.attributes, group, strict=True)), "threshold": own} for group, own in pairs
        ]
    return facts | known


def _fine(value: Any, *, depth: int) -> bool:
    """Whether every page can show a JSON value."""
    if isinstance(value, dict | list):
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        few = depth < _DEEPEST and len(inner) <= _MOST_ENTRIES
        return few and all(_fine(each, depth=depth + 1) for each in inner)
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT and not any("\ud800" <= each <= "\udfff" or each == "\0" for each in value)
    return value is None or isinstance(value, bool) or (isinstance(value, int | float) and _small(value))


def _small(number: float) -> bool:
    return math.isfinite(number) and abs(number) < 1e18
