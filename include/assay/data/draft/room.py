"""How far chance takes a batch of rows from the data that a contract is drafted from.

Every bound of a draft is as wide as what the data say of their source and what chance does to a batch of
it require. A batch is taken to have 1,000 rows, or half of those at hand where these are fewer than 2,000:
larger batches stray less, and the room that is left is for sources that change a little all the time.
"""

import math
from dataclasses import dataclass

_BATCH = 1000
_BLOCKED = 0.01
"""How many batches as good as the data may break any bound of a draft: one in a hundred."""
_BOUNDS = 16
"""Bounds that are drafted for a column, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What chance may do.

    Attributes
    ----------
    rows
        How many rows the draft is made from.
    level
        How likely one bound may be broken by a batch of the same source.
    """

    rows: int
    level: float

    @classmethod
    def of(cls, rows: int, columns: int) -> "Room":
        """Room for all bounds of a draft together."""
        return cls(rows=rows, level=_BLOCKED / (_BOUNDS * max(1, columns)))

    def batch(self, present: int | None = None) -> int:
        """How many rows a batch is taken to have; of `present` rows with a value, how many that have one."""
        of_all = max(1, min(_BATCH, self.rows // 2))
        return of_all if present is None else max(1, of_all * present // max(1, self.rows))

    @property
    def told(self) -> str:
        """A batch in words."""
        return f"a batch of {self.batch():,} rows"

    @property
    def seen(self) -> float:
        """What is expected so many times or more is not missed by chance."""
        return -math.log(self.level)

    def most(self, times: int, present: int) -> float:
        """The largest share of a batch's values that is what `times` of `present` values are.

        Both numbers are Poisson variables of one rate, so the batch's, given that of the data, is negative
        binomial: also of what was never seen, a batch may have some.

        Examples
        --------
        >>> room = Room.of(20_000, 10)
        >>> room.most(0, 20_000), room.most(1000, 20_000)
        (0.003, 0.08)
        """
        from scipy.special import nbdtr

        batch = self.batch(present)
        share, found = present / (present + batch), times * batch // present
        while nbdtr(found, times + 1, share) < 1 - self.level:
            found += 1
        return min(1.0, found / batch)

    def shares(self, share: float, present: int) -> tuple[float, float]:
        """The quantiles of the data between which a batch's quantile lies.

        How many of a batch's values lie below the source's quantile is binomial, whatever they are values of:
        the limits are Clopper and Pearson's, for as many values as make up for what the data do not know either.

        Examples
        --------
        >>> [round(each, 3) for each in Room.of(20_000, 10).shares(0.5, 20_000)]
        [0.438, 0.562]
        """
        from scipy.special import betaincinv

        n = self._known(present)
        low, high = betaincinv(share * n, (1 - share) * n + 1, self.level), 1.0
        high = betaincinv(share * n + 1, (1 - share) * n, 1 - self.level)
        return float(low), float(high)

    def oldest(self, present: int) -> float:
        """The quantile that the greatest value of a batch reaches: that all lie below it is no chance."""
        return float(self.level ** (1 / self._known(present)))

    def divergence(self, categories: int, present: int) -> float:
        """How far a batch's shares of so many categories lie from the data's, as Kullback and Leibler measure it.

        It solves ``exp(-m d) (e m d / (k - 1)) ** (k - 1) = level`` for the divergence d of m rows in k
        categories, a bound that holds for categories however rare.

        References
        ----------
        R. Agrawal (2020), Finite-sample concentration of the multinomial in relative entropy, theorem I.2.

        Examples
        --------
        >>> room = Room.of(20_000, 10)
        >>> round(room.divergence(2, 20_000), 4), round(room.divergence(14, 20_000), 4)
        (0.0139, 0.0377)
        """
        freedom, wanted = categories - 1, self.seen
        low, high = 1.0, 2.0
        while freedom * (high - 1 - math.log(high)) < wanted:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if freedom * (middle - 1 - math.log(middle)) < wanted else (low, middle)
        return freedom * high / self._known(present)

    def _known(self, present: int) -> float:
        """How many values of a batch stray as far from the source as a batch does from the data."""
        batch = self.batch(present)
        return batch * present / (batch + present)


def floored(share: float) -> float:
    """Down to thousandths, so that rounding never makes a contract that its own data break."""
    return math.floor(share * 1000) / 1000
