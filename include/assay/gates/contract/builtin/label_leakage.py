"""Label leakage: a single feature that predicts the label better than anything known beforehand could."""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.core import Check, Limit, Outcome, judge_interval
from assay.gates import each_confidence
from assay.gates.contract.builtin.coding import cells, shuffled
from assay.gates.contract.builtin.deciding import settled
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.label import classes, labelled, positive_class
from assay.gates.contract.builtin.look import Look
from assay.gates.contract.builtin.reporting import reported
from assay.policy.builtin import LabelLeakage
from assay.stats.auc_of_cells import auc_interval, auc_of_cells

NAME = "label_leakage"
_CELLS = 64
_ROWS_EACH = 20
_FEWEST_CELLS = 8
_CHANCE = 0.5
_AFFIXES = {"is", "has", "the", "label", "target", "y", "x", "flag", "copy", "new", "old", "code", "value", "class"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Association:
    """How well one feature ranks the label.

    Attributes
    ----------
    column
        Its name.
    auc
        Area under the ROC curve of the order that one half of the rows gives its cells, on the other half.
    positives, negatives
        Rows of that other half.
    similarity
        Of its name and the label's, in [0, 1].
    unranked
        Why it could not be looked at; empty where it was.
    """

    column: str
    auc: float
    positives: int
    negatives: int
    similarity: float
    unranked: str = ""


def measure(look: Look) -> tuple[Association, ...] | None:
    """Every feature by itself, in the sampled rows; None where no class is known to be positive."""
    label, sample = look.roles.label, look.facts.sample
    if label is None or label not in look.facts.columns:
        return None
    positive = positive_class(classes(look.table, label), look.roles.positive)
    if positive is None:
        return None
    label_of = labelled(sample[label], positive) if label in sample else None
    return tuple(
        _unranked(look, name, label)
        if label_of is None or name not in sample
        else associate(name, sample[name], label_of, similarity(name, label))
        for name in look.features
    )


def _unranked(look: Look, name: str, label: str) -> Association:
    """A feature that cannot be held against the label, be it because of its own type or the label's."""
    column = look.facts.columns[name if label in look.facts.sample else label]
    why = f"{column.name} is {column.type}, which is neither number, time nor text"
    return Association(
        column=name, auc=math.nan, positives=0, negatives=0, similarity=similarity(name, label), unranked=why
    )


def associate(name: str, values: Values, label: NDArray[np.int8], similar: float) -> Association:
    """Order the feature's cells by the rate in one half of the rows, and see how well that ranks the other."""
    # of few rows smaller cells: in a single one nothing would be ranked, and nothing found
    coding = cells(values, _CELLS, min(_ROWS_EACH, max(1, len(label) // _FEWEST_CELLS)))
    codes, learns = coding.of(values), shuffled(len(label)) % 2 == 0
    counts = [
        np.bincount(codes[half & (label == side)], minlength=coding.count)
        for half in (learns, ~learns)
        for side in (0, 1)
    ]
    negative, positive = counts[0], counts[1]
    base = positive.sum() / max(1, positive.sum() + negative.sum())
    order = np.argsort((positive + base) / (positive + negative + 1), kind="stable")
    auc = auc_of_cells(counts[3][order], counts[2][order])
    return Association(
        column=name, auc=auc, positives=int(counts[3].sum()), negatives=int(counts[2].sum()), similarity=similar
    )


def similarity(name: str, label: str) -> float:
    """How much a feature's name resembles the label's, once the usual additions are taken off both.

    Examples
    --------
    >>> similarity("is_income_2", "income"), round(similarity("age", "income"), 2)
    (1.0, 0.22)
    """
    return difflib.SequenceMatcher(None, _core(name), _core(label)).ratio()


def _core(name: str) -> str:
    words = [word for word in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if word]
    return "".join([word for word in words if word not in _AFFIXES] or words)


def judge(evidence: Sequence[Association], policy: LabelLeakage, confidence: float) -> list[Check]:
    """Hold every feature's AUC to the limit; a name like the label's alone is a warning."""
    level = each_confidence(confidence, len(evidence))
    ranked = sorted(evidence, key=lambda each: (-each.auc if each.auc == each.auc else 0.0, each.column))
    return reported([_check(each, policy, level) for each in ranked])


def _check(found: Association, policy: LabelLeakage, level: float) -> Check:
    known = bool(found.positives and found.negatives)
    interval = auc_interval(found.auc, found.positives, found.negatives, level) if known else None
    limit = Limit(max=policy.max_auc)
    outcome, reason = judge_interval(estimate=found.auc if known else None, interval=interval, limit=limit)
    if not known:
        reason = found.unranked or (
            f"of the rows that were looked at {found.positives:,} are positive and {found.negatives:,} are not, so "
            "that nothing can be ranked: see whether data.positive is spelled as in the data, and what the label became"
        )
    elif outcome is Outcome.FAIL:
        reason = (f"alone it ranks the label with an AUC of {reason}: it may be made from the label, or known only "
                  "after it. Leave it out of the features, or take its value from before the outcome")  # fmt: skip
    if outcome is Outcome.PASS and found.similarity > policy.max_name_similarity:
        return _named(found, policy)
    if known and outcome is Outcome.INCONCLUSIVE:
        reason = (f"alone it ranks the {found.positives:,} positive and {found.negatives:,} negative rows that were "
                  f"looked at with an AUC of {reason}")  # fmt: skip
    made = Check(
        name=NAME, metric="auc", compare="level", attribute=found.column, estimate=found.auc if known else None,
        interval=interval, confidence=level, limit=limit, support=found.positives + found.negatives,
        severity=policy.severity, outcome=outcome, reason=reason,
    )  # fmt: skip
    return made if interval is None else settled(made, policy, shown=interval[0] > _CHANCE)


def _named(found: Association, policy: LabelLeakage) -> Check:
    reason = f"its name is nearly the label's, though alone it ranks the label with an AUC of only {found.auc:.3g}"
    return Check(
        name=NAME, metric="name_similarity", compare="level", attribute=found.column, estimate=found.similarity,
        limit=Limit(max=policy.max_name_similarity), severity="info" if policy.severity == "info" else "warning",
        outcome=Outcome.FAIL, reason=reason,
    )  # fmt: skip
