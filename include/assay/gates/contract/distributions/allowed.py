"""What a suite allows a column's values to be, where that can be drawn: a range, a set, a value in every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from assay.core import Limit

_BETWEEN = "expect_column_values_to_be_between"
_RANGES = {
    _BETWEEN: ("min_value", "max_value"),
    "expect_column_min_to_be_between": ("min_value", ""),
    "expect_column_max_to_be_between": ("", "max_value"),
}
_SETS = {
    "expect_column_values_to_be_in_set",
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_equal_set",
}
_NOT_IN_SET = "expect_column_values_to_not_be_in_set"
_FILLED = "expect_column_values_to_not_be_null"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What a column's values may be.

    Attributes
    ----------
    low, high
        The range; None where it is open. Times are in seconds since 1970.
    strict
        Whether `low` and `high` themselves are not allowed.
    values
        The set; None where there is none.
    refused
        What is not allowed by its name.
    filled
        Whether a row must have a value.
    """

    low: float | None = None
    high: float | None = None
    strict: tuple[bool, bool] = (False, False)
    values: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    filled: bool = False

    @property
    def limit(self) -> Limit | None:
        """The range, where there is one."""
        return None if self.low is None and self.high is None else Limit(min=self.low, max=self.high)

    @property
    def lists(self) -> bool:
        """Whether values are allowed or refused by their names."""
        return self.values is not None or bool(self.refused)

    def refuses(self, name: str) -> bool:
        """Whether a value is not allowed."""
        return name in self.refused or (self.values is not None and name not in self.values)


def allowed(entries: Sequence[Mapping[str, Any]], column: str) -> Allowed:
    """All that a suite says of a column at once; what holds for some rows only is left out.

    Examples
    --------
    >>> kwargs = {"column": "age", "min_value": 17, "max_value": 90}
    >>> allowed([{"type": "expect_column_values_to_be_between", "kwargs": kwargs}], "age").limit
    Limit(min=17.0, max=90.0)
    """
    about = [
        each for each in entries if each["kwargs"].get("column") == column and "row_condition" not in each["kwargs"]
    ]
    lows, highs = _bounds(about, 0), _bounds(about, 1)
    low, high = (
        max(lows, default=(None, False)),
        min(highs, default=(None, False), key=lambda side: (side[0], not side[1])),
    )
    sets = [_names(each) for each in about if each["type"] in _SETS and each["kwargs"].get("value_set")]
    refused = [_names(each) for each in about if each["type"] == _NOT_IN_SET]
    return Allowed(
        low=low[0],
        high=high[0],
        strict=(low[1], high[1]),
        values=frozenset.intersection(*sets) if sets else None,
        refused=frozenset().union(*refused),
        filled=any(each["type"] == _FILLED and each["kwargs"].get("mostly", 1) == 1 for each in about),
    )


def spelled(value: Any) -> str:
    """A value as a distribution names it: 1.0 is 1.

    Examples
    --------
    >>> [spelled(value) for value in (1.0, 0.5, True, "Private")]
    ['1', '0.5', 'true', 'Private']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float, Decimal)):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def _names(entry: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(spelled(value) for value in entry["kwargs"].get("value_set") or () if value is not None)


def _bounds(entries: Sequence[Mapping[str, Any]], side: int) -> list[tuple[float, bool]]:
    found = []
    for entry in entries:
        name = _RANGES.get(entry["type"], ("", ""))[side]
        bound = _number(entry["kwargs"].get(name)) if name else None
        if bound is not None:
            found.append((bound, bool(entry["kwargs"].get(f"strict_{name[:3]}"))))
    return found


def _number(value: Any) -> float | None:
    """A limit as a number, or as seconds."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value)
    try:
        at = value if isinstance(value, (datetime, date)) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    at = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
