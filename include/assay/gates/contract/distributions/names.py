"""Which values of a column of few are named in its distribution: the frequent ones, and no personal ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from assay.core.distribution import LEAST
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.personal import kind_of
from assay.gates.contract.distributions.allowed import Allowed, spelled

NAMED = 10
"""Values that are named; of numbers with more of them ranges are told."""
_REFUSED = 5
"""Of those, as many that the contract does not allow come first."""
_LONG = 60


def few(samples: Sequence[Values]) -> bool:
    """Whether numbers take so few values that each can be named."""
    found: set[float] = set()
    for values in samples:
        assert values.numbers is not None
        found.update(np.unique(values.numbers[np.isfinite(values.numbers)]).tolist()[: NAMED + 1])
    return len(found) <= NAMED


def named(samples: Sequence[Values], allowed: Allowed) -> list[str | float]:
    """The values to name, the most frequent first.

    Parameters
    ----------
    samples
        The column's, of each table.
    allowed
        What the contract says of it.
    """
    shares: dict[str | float, float] = {}
    for values in samples:
        counts = _counts(values)
        total = sum(counts.values())
        for value, rows in counts.items():
            if rows >= LEAST:
                shares[value] = max(shares.get(value, 0.0), rows / total)
    ranked = sorted(shares, key=lambda value: (-shares[value], str(value)))
    ranked = [value for value in ranked if kind_of(spelled(value)) is None]
    refused = [value for value in ranked if is_refused(value, allowed)][:_REFUSED]
    others = [value for value in ranked if value not in refused][: NAMED - len(refused)]
    return sorted([*refused, *others], key=ranked.index)


def is_refused(value: str | float, allowed: Allowed) -> bool:
    """Whether the contract does not allow a value, by its name or as a number."""
    if allowed.refuses(spelled(value)):
        return True
    if isinstance(value, str):
        return False
    (below, above), (low, high) = allowed.strict, (allowed.low, allowed.high)
    too_low = low is not None and (value < low or (below and value == low))
    return too_low or (high is not None and (value > high or (above and value == high)))


def shown(value: str | float) -> str:
    """A value as a page shows it, on one line and not at length."""
    text = " ".join(spelled(value).split())
    return (text if len(text) <= _LONG else f"{text[: _LONG - 3]}...") or "(empty)"


def _counts(values: Values) -> Mapping[str | float, int]:
    if values.codes is not None:
        counts = np.bincount(values.codes[values.codes >= 0], minlength=len(values.texts))
        return {text: int(n) for text, n in zip(values.texts, counts, strict=True)}
    assert values.numbers is not None
    found, counts = np.unique(values.numbers[np.isfinite(values.numbers)], return_counts=True)
    return {float(number): int(n) for number, n in zip(found, counts, strict=True)}
