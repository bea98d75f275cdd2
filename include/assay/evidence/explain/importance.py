"""Global explanation of a model: how much each feature matters on the holdout, overall and by group."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Group, Measured
from assay.evidence.explain.bands import half_widths
from assay.evidence.explain.permutation import METRICS, permutation_losses
from assay.evidence.explain.results import AUC_DROP, BRIER_RISE, MEAN_SHAPLEY, Effort, Explanation, Ranking
from assay.evidence.explain.shapley import Columns, Floats, Score, Shapley, shapley

if TYPE_CHECKING:
    from assay.evidence.judging import Case

EVERYONE = ""
"""Name of the population of all rows."""


def explain(case: "Case", effort: Effort | None = None) -> Explanation:
    """Explain a case's candidate on the case's holdout, overall and for each group of each sensitive column.

    Raises
    ------
    UserError
        Before training, or when the snapshot does not have the features.
    """
    from assay.data.features import encode, model_inputs

    rows, label = case.holdout()
    kinds = case.candidate.features
    effort = effort or Effort.of(len(kinds))
    rankings = rank_features(
        score=case.candidate.score,
        inputs=model_inputs(rows, kinds),
        label=label,
        sensitive={column: encode(rows[column], "text")[:, 0] for column in case.policy.data.sensitive},
        background=background_of(case, effort),
        confidence=case.policy.gates.performance.confidence,
        smallest=case.policy.gates.fairness.min_group_size,
        effort=effort,
        seed=case.seed,
    )
    return Explanation(
        model=case.candidate.digest,
        snapshot=case.snapshot.id,
        holdout=len(label),
        seed=case.seed,
        confidence=case.policy.gates.performance.confidence,
        effort=effort,
        rankings=tuple(rankings),
    )


def background_of(case: "Case", effort: Effort) -> Columns:
    """A seeded sample of the rows that training has seen, as model inputs."""
    from assay.data.features import model_inputs

    seen = np.flatnonzero(case.trained_on)
    chosen = _sample(np.random.default_rng([case.seed, 1]), seen, effort.background)
    return model_inputs(case.rows.take(chosen), case.candidate.features)


def rank_features(
    *,
    score: Score,
    inputs: Columns,
    label: NDArray[np.bool_],
    sensitive: Mapping[str, NDArray[Any]],
    background: Columns,
    confidence: float,
    smallest: int,
    effort: Effort,
    seed: int,
) -> list[Ranking]:
    """Rank the features by every measure, over everyone and over every group.

    Parameters
    ----------
    score
        Columns to n probabilities of the positive class.
    inputs
        Feature name to an array of shape (n, 1).
    label : ndarray of shape (n,)
        True for the positive class.
    sensitive
        Column to the group of each row, as text, of shape (n,).
    background
        As `inputs`: the rows that stand for the average row.
    confidence
        At which the intervals of one ranking hold together.
    smallest
        Rows below which a group is not ranked.
    effort, seed
        How much is sampled, and what makes it repeatable.
    """
    random = np.random.default_rng([seed, 2])
    rows = _sample(random, np.arange(len(label)), effort.rows)
    inputs = {name: column[rows] for name, column in inputs.items()}
    label, sensitive = label[rows], {column: values[rows] for column, values in sensitive.items()}
    groups = dict(_groups(len(label), sensitive))
    masks = {name: mask for name, (_, mask) in groups.items() if mask.sum() >= (1 if name == EVERYONE else smallest)}
    permuted = list(_permuted(score, inputs, label, groups, masks, confidence, effort, seed))
    shapley_rankings = list(_shapley(score, inputs, background, groups, masks, confidence, effort, random))
    small = [
        Ranking(measure=measure, group=group, rows=int(mask.sum()), features={}, absent=f"fewer than {smallest} rows")
        for name, (group, mask) in groups.items()
        if name not in masks
        for measure in (*_MEASURES.values(), MEAN_SHAPLEY)
    ]
    return [*permuted, *shapley_rankings, *small]


_MEASURES = {"auc": AUC_DROP, "brier": BRIER_RISE}


def _permuted(
    score: Score,
    inputs: Columns,
    label: NDArray[np.bool_],
    groups: Mapping[str, tuple[Group, NDArray[np.bool_]]],
    masks: Mapping[str, NDArray[np.bool_]],
    confidence: float,
    effort: Effort,
    seed: int,
) -> Iterator[Ranking]:
    losses = permutation_losses(
        score=score, inputs=inputs, label=label, populations=masks, repeats=effort.repeats, seed=seed
    )
    for name in masks:
        for metric in METRICS:
            loss, rows = losses[name, metric], int(masks[name].sum())
            features, absent = {}, loss if isinstance(loss, str) else ""
            if not isinstance(loss, str):
                half = half_widths(loss.influences, confidence)
                features = _measurements(inputs, loss.drops, loss.drops - half, loss.drops + half, rows)
            yield Ranking(measure=_MEASURES[metric], group=groups[name][0], rows=rows, features=features, absent=absent)


def _shapley(
    score: Score,
    inputs: Columns,
    background: Columns,
    groups: Mapping[str, tuple[Group, NDArray[np.bool_]]],
    masks: Mapping[str, NDArray[np.bool_]],
    confidence: float,
    effort: Effort,
    random: np.random.Generator,
) -> Iterator[Ranking]:
    everyone = _sample(random, np.arange(len(next(iter(inputs.values())))), effort.explained)
    members = {name: _members(random, everyone, mask, effort.grouped) for name, mask in masks.items()}
    chosen = np.unique(np.concatenate([everyone, *members.values()]))
    found = shapley(
        score=score,
        rows={name: column[chosen] for name, column in inputs.items()},
        background=background,
        pairs=min(effort.pairs, len(next(iter(background.values())))),
        seed=int(random.integers(2**32)),
    )
    for name, rows in members.items():
        here = np.searchsorted(chosen, rows)
        yield _mean_sizes(groups[name][0], inputs, found, here, confidence)


def _mean_sizes(group: Group, inputs: Columns, found: Shapley, rows: NDArray[np.intp], confidence: float) -> Ranking:
    """Means of the values without their sign.

    Sampling noise raises such a mean. With the signs taken from one half of the paths and the sizes
    from the other, noise can only lower it. The interval reaches from below the one to above the other.
    """
    sizes = np.abs(found.values[rows])
    one, other = found.halves[:, rows]
    crossed = (np.sign(one) * other + np.sign(other) * one) / 2
    means, least = sizes.mean(axis=0), crossed.mean(axis=0)
    low = least - half_widths(crossed - least, confidence)
    high = means + half_widths(sizes - means, confidence)
    low = np.clip(low, 0, means)  # a mean without signs is not negative
    return Ranking(
        measure=MEAN_SHAPLEY, group=group, rows=len(rows), features=_measurements(inputs, means, low, high, len(rows))
    )


def _measurements(inputs: Columns, values: Floats, low: Floats, high: Floats, rows: int) -> dict[str, Measured]:
    return {
        name: Measured(
            estimate=float(values[place]),
            interval=(float(low[place]), float(high[place])) if low[place] <= high[place] else None,  # not where NaN
            support=rows,
        )
        for place, name in enumerate(inputs)
    }


def _groups(rows: int, sensitive: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, tuple[Group, NDArray[np.bool_]]]]:
    yield EVERYONE, ({}, np.ones(rows, dtype=np.bool_))
    for column, values in sensitive.items():
        for value in sorted(set(values.tolist())):
            yield f"{column}={value}", ({column: value}, values == value)


def _members(
    random: np.random.Generator, everyone: NDArray[np.intp], mask: NDArray[np.bool_], wanted: int
) -> NDArray[np.intp]:
    """The sampled rows of a group, and as many more of its rows as it takes to have `wanted`."""
    drawn = everyone[mask[everyone]]
    others = np.setdiff1d(np.flatnonzero(mask), drawn)
    return np.sort(np.concatenate([drawn, _sample(random, others, max(0, wanted - len(drawn)))]))


def _sample(random: np.random.Generator, rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    return rows if len(rows) <= most else np.sort(random.choice(rows, most, replace=False))
