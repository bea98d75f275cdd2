"""Measure a model's metrics on the holdout, on its slices, beside the champion, and its speed."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, UserError, did_you_mean
from assay.gates import require_probabilities
from assay.gates._slices import Coded, distinct, members, named
from assay.gates.performance.evidence import Estimates, PerformanceEvidence, Search, Slice
from assay.gates.performance.search import Field, field_of, search
from assay.gates.performance.timing import Model, call_times
from assay.policy import Performance
from assay.stats.calibration import reliability
from assay.stats.influence import Sample, excess, level, row_losses

Columns = Mapping[str, NDArray[Any]]

MOST_VALUES, MOST_SLICES = 200, 1000
"""Of one column, and of several combined: what has more says nothing of any."""


def measure(
    *,
    label: NDArray[np.bool_],
    score: NDArray[np.float64],
    champion_score: NDArray[np.float64] | None,
    policy: Performance,
    seed: int,
    prediction: NDArray[np.bool_] | None = None,
    champion_prediction: NDArray[np.bool_] | None = None,
    columns: Columns | None = None,
    inputs: Columns | None = None,
    model: Model | None = None,
    size: int | None = None,
) -> PerformanceEvidence:
    """Measure what the policy names, with standard errors in closed form; nothing is drawn.

    Parameters
    ----------
    label : ndarray of shape (n,)
        True for the positive class.
    score : ndarray of shape (n,)
        The candidate's probability of the positive class.
    champion_score : ndarray of shape (n,), optional
        The champion's, on the same rows.
    policy
        Which metrics, slices, costs and budgets.
    seed
        Which half of the rows is searched for weak slices.
    prediction, champion_prediction : ndarray of shape (n,), optional
        What each decided, by its own rule; needed by metrics of decisions and by costs.
    columns
        Column to n values, of which slices are made; None and NaN are a slice of their own, ``(missing)``.
    inputs
        The model's inputs, column to an array of shape (n, 1): what it is timed with, and, with `columns`,
        what weak slices may be made of.
    model
        Inputs to scores, as it is served; needed by latency budgets.
    size
        Bytes of the served model; needed by a budget of size.

    Raises
    ------
    UserError
        Listing everything that the policy needs and that is not given, columns that cannot be cut or
        have too many values, and scores that are not a number in [0, 1].
    """
    given = {**(inputs or {}), **(columns or {})}
    sliced, problems = _coded(given, policy)
    rival = champion_score is not None
    problems += _missing(policy, given, prediction, champion_prediction, inputs, model, size, rival=rival)
    if problems:
        raise UserError("gates.performance", problems)
    scores = {"candidate": score} if champion_score is None else {"candidate": score, "champion": champion_score}
    require_probabilities(**scores)
    fields = _fields({**given, **(inputs or {})}, policy)  # numbers as such where they are to be had
    beside = [each for each in (champion_score, champion_prediction, prediction, label) if each is not None]
    order = _canonical(score, [*(each.levels.codes for each in fields.values()), *beside])
    prices = None if policy.cost is None else policy.cost.prices
    own = _sample(label, score, prediction, prices, order)
    other = None if champion_score is None else _sample(label, champion_score, champion_prediction, prices, order)
    return PerformanceEvidence(
        rows=len(label),
        positives=int(np.count_nonzero(label)),
        levels=_levels(own, policy),
        excesses=None if other is None else _excesses(own, other, policy),
        slices={"*".join(names): _slices(own, names, sliced, policy, order) for names in policy.attributes},
        search=_search(own, fields, policy, order, seed),
        bins=reliability(own.label, own.score),
        times={each.rows: call_times(model, inputs, each.rows) for each in policy.latency}
        if model is not None and inputs and len(label)
        else {},
        megabytes=None if size is None else size / 1e6,
    )


def require_slices(columns: Columns, policy: Performance) -> None:
    """Refuse columns that slices cannot be made of, before anything is measured.

    Raises
    ------
    UserError
        Listing the policy's columns that there are not, that cannot be cut or that have too many values.
    """
    _, problems = _coded(columns, policy)
    if problems:
        raise UserError("gates.performance.slices", problems)


def _canonical(score: NDArray[np.float64], others: list[NDArray[Any]]) -> NDArray[np.intp]:
    """An order that does not depend on how the rows came: neither must sums, nor which half is searched."""
    order = np.argsort(score)
    tied = (np.diff(score[order]) == 0).any()
    return np.lexsort([*others, score]) if tied else order


def _sample(
    label: NDArray[np.bool_],
    score: NDArray[np.float64],
    decided: NDArray[np.bool_] | None,
    prices: tuple[float, float, float, float] | None,
    order: NDArray[np.intp],
) -> Sample:
    decided = None if decided is None else decided[order]
    return Sample(label=label[order], score=score[order], decided=decided, prices=prices)


def _levels(own: Sample, policy: Performance) -> Estimates:
    metrics = [check.metric for check in policy.checks] + ["cost"] * (policy.cost is not None)
    return {metric: level(metric, own) for metric in dict.fromkeys(metrics)}


def _excesses(own: Sample, other: Sample, policy: Performance) -> Estimates:
    priced = policy.cost is not None and policy.cost.margin is not None
    metrics = [check.metric for check in policy.champion] + ["cost"] * priced
    return {metric: excess(metric, own, other) for metric in dict.fromkeys(metrics)}


def _slices(
    own: Sample, names: tuple[str, ...], sliced: Mapping[str, Coded], policy: Performance, order: NDArray[np.intp]
) -> tuple[Slice, ...]:
    metrics = dict.fromkeys([*(floor.metric for floor in policy.floors), *(check.metric for check in policy.checks)])
    found = []
    for group, rows in members({name: sliced[name]._replace(codes=sliced[name].codes[order]) for name in names}):
        part = own.part(rows)
        levels = {metric: level(metric, part) for metric in metrics}
        found.append(Slice(group=group, rows=len(rows), positives=int(part.label.sum()), levels=levels))
    return tuple(found)


def _search(
    own: Sample, fields: Mapping[str, Field], policy: Performance, order: NDArray[np.intp], seed: int
) -> Search | None:
    wanted = policy.weak_slices
    if wanted is None:
        return None
    ordered = {
        name: Field(levels=each.levels._replace(codes=each.levels.codes[order]), edges=each.edges)
        for name, each in fields.items()
    }
    return search(loss=row_losses(wanted.metric, own), fields=ordered, policy=wanted, seed=seed)


def _fields(given: Columns, policy: Performance) -> dict[str, Field]:
    if policy.weak_slices is None:
        return {}
    return {name: field_of(given[name]) for name in policy.weak_slices.columns or given}


def _coded(given: Columns, policy: Performance) -> tuple[dict[str, Coded], list[Problem]]:
    found, problems = {}, []
    for name in policy.columns:
        if name not in given:
            problems.append(Problem(path=name, message="no such slice column", mend=did_you_mean(name, given)))
    for name in (name for name in policy.slice_columns if name in given):
        codes, values = distinct(given[name].reshape(len(given[name])))
        edges = policy.edges.get(name)
        if edges is None and len(values) > MOST_VALUES:  # before a name is given to each
            mend = f"cut numbers at `edges`, or leave the column out; {MOST_VALUES} are the most"
            problems.append(Problem(path=name, message=f"has {len(values):,} values to slice by", mend=mend))
            continue
        try:
            found[name] = named(codes, values, edges)
        except ValueError as error:
            problems.append(Problem(path=name, message=str(error), mend="only numbers can be cut at edges"))
    return found, [*problems, *_too_many(found, policy)]


def _too_many(found: Mapping[str, Coded], policy: Performance) -> Iterator[Problem]:
    for attribute in policy.attributes:
        parts = int(np.prod([len(found[name].names) for name in attribute if name in found]))
        if parts > MOST_SLICES:
            message = f"may make {parts:,} slices; {MOST_SLICES:,} are the most"
            yield Problem(path="*".join(attribute), message=message, mend="combine fewer columns, or cut them coarser")


def _missing(
    policy: Performance,
    given: Columns,
    prediction: NDArray[np.bool_] | None,
    champion_prediction: NDArray[np.bool_] | None,
    inputs: Columns | None,
    model: Model | None,
    size: int | None,
    *,
    rival: bool,
) -> Iterator[Problem]:
    """What the policy needs and nobody gave."""
    needed = {
        "prediction": policy.decides and prediction is None,
        "champion_prediction": rival and policy.compares_decisions and champion_prediction is None,
        "model": bool(policy.latency) and (model is None or not inputs),
        "size": policy.size_mb is not None and size is None,
        "columns": policy.weak_slices is not None and not given,
    }
    words = {
        "prediction": "the policy has checks on decisions, and there are none",
        "champion_prediction": "the policy compares decisions with the champion's, and there are none",
        "model": "the policy has latency budgets, and there is no model to time",
        "size": "the policy has a budget of size, and the size is not known",
        "columns": "the policy looks for weak slices, and there are no columns to make them of",
    }
    return (Problem(path=name, message=words[name]) for name, lacks in needed.items() if lacks)
