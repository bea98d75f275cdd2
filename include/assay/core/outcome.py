"""The four outcomes and the one rule that joins them."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """What a check, a gate or a rollout stage came to."""

    PASS = "PASS"  # noqa: S105 (not a password)
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"

    @property
    def rank(self) -> int:
        """0 for the best outcome; the worse, the higher."""
        return _RANK[self]

    @property
    def exit_code(self) -> int:
        """The process exit code of a gate command with this outcome."""
        return EXIT_CODES[self]


EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 3, Outcome.ERROR: 4}

# FAIL outranks ERROR: a proven violation stands whatever else broke, and must not earn a retry.
_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Join outcomes: the worst wins, and nothing measured is INCONCLUSIVE.

    Examples
    --------
    >>> worst([Outcome.PASS, Outcome.FAIL, Outcome.ERROR])
    <Outcome.FAIL: 'FAIL'>
    >>> worst([])
    <Outcome.INCONCLUSIVE: 'INCONCLUSIVE'>
    """
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.INCONCLUSIVE)
