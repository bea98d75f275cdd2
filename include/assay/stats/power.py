"""What so many rows could have shown."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from assay.stats.intervals import normal_quantile

_LEAST = 1e-9


def detectable_rates(
    trials_1: float, trials_2: float, rate: float, confidence: float, power: float
) -> tuple[float, float]:
    """The two rates nearest to each other that a test of equality would have told apart.

    Parameters
    ----------
    trials_1, trials_2
        How many trials each side has, above 0; the first side is taken to have the higher rate.
    rate
        The mean rate over all trials, in [0, 1]; held unless that asks for a rate outside [0, 1].
    confidence
        Two-sided level of the test, in (0, 1).
    power
        In how large a share of samples it tells them apart, at least 1/2.

    Returns
    -------
    higher, lower
        1 and 0 when nothing nearer is told apart so often.

    References
    ----------
    J. L. Fleiss, B. Levin, M. C. Paik (2003), Statistical Methods for Rates and Proportions, 3rd
    edition: the sample size without continuity correction, solved for the rates.

    Examples
    --------
    >>> high, low = detectable_rates(100, 100, 0.5, confidence=0.95, power=0.8)
    >>> round(high - low, 3)
    0.197
    """
    z, beyond = normal_quantile(confidence), float(ndtri(power))
    share = trials_2 / (trials_1 + trials_2)

    def sides(gap: float) -> tuple[float, float]:
        high = min(max(rate + gap * share, gap), 1.0)
        return high, high - gap

    def surplus(gap: float) -> float:
        high, low = sides(gap)
        mean = (1 - share) * high + share * low
        null = np.sqrt(mean * (1 - mean) * (1 / trials_1 + 1 / trials_2))
        alternative = np.sqrt(high * (1 - high) / trials_1 + low * (1 - low) / trials_2)
        return float(gap - z * null - beyond * alternative)

    return sides(1.0) if surplus(1.0) <= 0 else sides(float(brentq(surplus, _LEAST, 1.0)))
