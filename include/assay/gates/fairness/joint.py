"""How wide each interval must be so that all of a gate's hold together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.gates import each_confidence
from assay.gates.fairness.estimates import Compared
from assay.gates.fairness.members import ALL_KINDS, RATES, GroupCounts
from assay.stats.counts import dirichlet
from assay.stats.intervals import confidence_of
from assay.stats.simultaneous import max_t

Floats = NDArray[np.float64]

DRAWS = 1000
SEED = 0  # judging is pure: the same counts give the same intervals
_MOST = 2000  # comparisons of an attribute that are drawn jointly; beyond, Bonferroni costs nothing


def confidences(compared: Sequence[Compared], confidence: float) -> list[float]:
    """Level of each single interval, for each check of one attribute.

    Parameters
    ----------
    compared
        The checks of one attribute.
    confidence
        Level at which all of their intervals hold together.

    Notes
    -----
    Every check gets an equal part of the error. Those on rates of whole groups are made of the same
    rows: their parts are put together, and what their intervals need to hold at once is read off
    joint draws of the counts (max-t). The others divide their own part by how many they compare.
    """
    each = each_confidence(confidence, len(compared))
    found = [each_confidence(each, one.intervals) for one in compared]
    drawn = [at for at, one in enumerate(compared) if one.plain and one.intervals]
    total = sum(compared[at].intervals for at in drawn)
    if not 1 < total <= _MOST:
        return found
    together = 1 - (1 - each) * len(drawn)
    level = confidence_of(max_t(_draws([compared[at] for at in drawn]), together))
    return [level if at in drawn else one for at, one in enumerate(found)]


def _draws(compared: Sequence[Compared]) -> Floats:
    """What every comparison comes to in each draw, of shape (DRAWS, comparisons)."""
    groups = list({id(group): group for one in compared for group in one.usable}.values())
    place = {id(group): at for at, group in enumerate(groups)}
    counts = [group.cells() for group in groups if isinstance(group, GroupCounts)]  # a rate's groups all are
    # half a row more in each cell (Jeffreys' prior): a cell without rows is rare, not impossible
    shares = dirichlet(np.array(counts) + 0.5, DRAWS, SEED)
    return np.concatenate(
        [_gaps(one, rate(shares[:, [place[id(group)] for group in one.usable]], one.check.metric)) for one in compared],
        axis=1,
    )


def rate(shares: Floats, metric: str) -> Floats:
    """A rate in each draw, from shares of `ALL_KINDS` along the last axis."""
    part, whole, _ = RATES[metric]
    inside, outside = ([kind in kinds for kind in ALL_KINDS] for kinds in (part, whole))
    found: Floats = shares[..., inside].sum(axis=-1) / shares[..., outside].sum(axis=-1)
    return found


def _gaps(compared: Compared, rates: Floats) -> Floats:
    if compared.check.compare == "level":
        return rates
    if compared.check.compare == "ratio":
        rates = np.log(rates)
    first, second = np.triu_indices(len(compared.usable), k=1)
    if compared.reference is not None:
        wanted = (first == compared.reference) | (second == compared.reference)
        first, second = first[wanted], second[wanted]
    gaps: Floats = rates[:, first] - rates[:, second]
    return gaps
