"""Choose thresholds under which the groups' rates are alike, at the least loss of accuracy."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from assay.core import MISSING, UserError, problem
from assay.policy import Target
from assay.training.mitigation.cells import Cells
from assay.training.mitigation.rates import Bools, Floats, class_counts, large_enough, rates

GRID = np.arange(1, 200) / 200
"""The thresholds tried."""

_STEP = 0.01  # between the windows that two rates at once are looked for in


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Thresholds, and what they do on the rows that they were chosen on.

    Attributes
    ----------
    own
        Group to its threshold, for the groups that are large enough.
    gap
        Largest difference between those groups in a rate of the target.
    accuracy
        Share of those groups' rows that are decided rightly, in [0, 1].
    """

    own: dict[tuple[str, ...], float]
    gap: float
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Curves:
    """What each threshold of `GRID` does to each large group.

    Attributes
    ----------
    names
        The large groups.
    rates : ndarray of shape (rates, groups, thresholds)
        The rates that the target wants alike.
    right : ndarray of shape (groups, thresholds)
        Rows decided rightly.
    selected : ndarray of shape (groups, thresholds)
        Rows decided for.
    rows : int
        Rows of these groups.
    """

    names: tuple[tuple[str, ...], ...]
    rates: Floats
    right: NDArray[np.intp]
    selected: NDArray[np.intp]
    rows: int


def curves(score: Floats, label: Bools, cells: Cells, target: Target) -> Curves:
    """Count what each threshold does.

    Parameters
    ----------
    score : ndarray of shape (n,)
        From models that have not seen the row.
    label : ndarray of shape (n,)
        True for the positive class.
    cells
        The rows' groups. A group without an attribute has no curve: nobody can be asked for it later.
    target
        What is to be alike.

    Raises
    ------
    UserError
        When fewer than two groups are large enough to be compared.
    """
    known = np.array([MISSING not in name for name in cells.names])
    places = np.flatnonzero(large_enough(label, cells) & known)
    if len(places) < 2:
        message = f"only {len(places)} of {len(cells.names)} groups have enough rows of both classes to be compared"
        raise problem("mitigation.attributes", message, "take fewer columns together, or give more rows")
    totals = class_counts(label, cells)[places]
    chosen = np.stack(
        [
            np.stack([_at_or_above(score[(cells.code == place) & (label == side)]) for side in (False, True)], axis=-1)
            for place in places
        ]
    )
    return Curves(
        names=tuple(cells.names[place] for place in places),
        rates=rates(target, chosen=chosen.astype(np.float64), totals=totals[:, None, :].astype(np.float64)),
        right=chosen[..., 1] + totals[:, None, 0] - chosen[..., 0],
        selected=chosen.sum(axis=-1),
        rows=int(totals.sum()),
    )


def blind(found: Curves, *, max_gap: float, plain: float) -> tuple[float, Choice]:
    """One threshold for everybody: the most accurate of those that keep the gap; nearest to `plain` among equals.

    Raises
    ------
    UserError
        When none keeps it but by deciding all rows alike.
    """
    gaps = np.ptp(found.rates, axis=1).max(axis=0)
    selected = found.selected.sum(axis=0)
    telling = (selected > 0) & (selected < found.rows)
    fits = telling & (gaps <= max_gap)
    if not fits.any():
        raise _unreachable(max_gap, gaps[telling])
    right = found.right.sum(axis=0)
    best = max(np.flatnonzero(fits), key=lambda place: (right[place], -abs(GRID[place] - plain), -place))
    threshold = float(GRID[best])
    own = dict.fromkeys(found.names, threshold)
    return threshold, Choice(own=own, gap=float(gaps[best]), accuracy=float(right[best] / found.rows))


def aware(found: Curves, *, max_gap: float, plain: float) -> Choice:
    """A threshold for each group: the most accurate of those that keep the gap.

    Every window of the gap's width is tried: in it each group takes its most accurate threshold, the
    nearest to `plain` among equals. For one rate a window starts where some group's rate is, which
    makes the search complete over `GRID`; for two it starts at whole hundredths.

    Raises
    ------
    UserError
        When no window holds a threshold of every group under which some row is decided otherwise
        than the rest.

    References
    ----------
    M. Hardt, E. Price, N. Srebro (2016), Equality of opportunity in supervised learning, NeurIPS,
    section 4: there the thresholds are drawn by lot, here each person has one answer.
    """
    away = np.rint(np.abs(GRID - plain) * 2 / GRID[0]).astype(np.int64)
    worth = found.right.astype(np.int64) * 1000 - away  # accuracy first, then nearness: `away` is below 400
    best: tuple[int, NDArray[np.intp]] | None = None
    for low in _corners(found.rates):
        inside = np.all((found.rates >= low) & (found.rates <= low + max_gap + 1e-12), axis=0)
        if not bool(np.all(np.any(inside, axis=1))):
            continue
        masked = np.where(inside, worth, np.iinfo(np.int64).min // 1000)
        places = masked.argmax(axis=1)
        total = int(np.take_along_axis(masked, places[:, None], axis=1).sum())
        if (best is None or total > best[0]) and _telling(found, places):
            best = total, places
    if best is None:
        raise _unreachable(max_gap, np.array([]))
    at = np.arange(len(found.names)), best[1]
    return Choice(
        own={name: float(GRID[place]) for name, place in zip(found.names, best[1], strict=True)},
        gap=float(np.ptp(found.rates[:, at[0], at[1]], axis=1).max()),
        accuracy=float(found.right[at].sum() / found.rows),
    )


def _at_or_above(score: Floats) -> NDArray[np.intp]:
    """How many scores are at or above each threshold of the grid."""
    return len(score) - np.searchsorted(np.sort(score), GRID, side="left")


def _corners(found: Floats) -> "list[NDArray[np.float64]]":
    """Where windows start, as arrays that compare with `found`: shape (rates, 1, 1)."""
    starts = np.arange(0, 1, _STEP)
    each = [np.unique(found[0])] if len(found) == 1 else [starts] * len(found)
    return [np.array(corner).reshape(-1, 1, 1) for corner in product(*each)]


def _telling(found: Curves, places: NDArray[np.intp]) -> bool:
    selected = int(np.take_along_axis(found.selected, places[:, None], axis=1).sum())
    return 0 < selected < found.rows


def _unreachable(max_gap: float, gaps: Floats) -> UserError:
    nearest = f"; the nearest is {gaps.min():.3g}" if len(gaps) else ""
    return problem(
        "mitigation.max_gap", f"no thresholds bring the groups within {max_gap:g}{nearest}", "try another method"
    )
