"""Numbers and names as a card writes them."""

import math
from collections.abc import Iterable, Mapping

from assay.core import Group, Limit, Record

NOTHING = "-"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float | None) -> str:
    """A number with four digits that count, or a dash.

    Examples
    --------
    >>> number(0.92347), number(None), number(12345.0)
    ('0.9235', '-', '12,345')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 10_000:
        return f"{value:,.0f}".replace("-", MINUS)
    text = f"{value:.4g}"
    return "0" if float(text) == 0 else text.replace("-", MINUS)


def measured(value: float | None, bounds: tuple[float, float] | None) -> tuple[str, str]:
    """An estimate and its interval, with as many decimals as the interval is wide enough to need.

    Examples
    --------
    >>> measured(0.92334, (0.9158, 0.9302)), measured(0.6, (0.2307, 0.8824)), measured(3, None)
    (('0.9233', '0.9158 to 0.9302'), ('0.600', '0.231 to 0.882'), ('3', '-'))
    """
    if value is None or bounds is None or not all(map(math.isfinite, (value, *bounds))) or bounds[0] == bounds[1]:
        return number(value), interval(bounds)
    decimals = max(0, 2 - math.floor(math.log10(bounds[1] - bounds[0])))
    shown = [f"{each:,.{decimals}f}".replace("-", MINUS) for each in (value, *bounds)]
    return shown[0], f"{shown[1]} to {shown[2]}"


_ISOLATION = {
    "namespaces": "namespaces (bubblewrap)",
    "landlock": "Landlock and seccomp",
    "user": "a separate Unix user",
    "none": "none: the training code could read what the platform can",
}


def isolation(level: object) -> str:
    """How training was kept apart from the platform; empty where it is not recorded.

    Examples
    --------
    >>> isolation("landlock"), isolation(None)
    ('Landlock and seccomp', '')
    """
    return "" if level is None else _ISOLATION.get(str(level), str(level))


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval, or a dash.

    Examples
    --------
    >>> interval((0.1, 0.25))
    '0.1 to 0.25'
    """
    return NOTHING if bounds is None else f"{number(bounds[0])} to {number(bounds[1])}"


def limit(bound: Limit | None) -> str:
    """A limit with its signs, or a dash.

    Examples
    --------
    >>> limit(Limit(min=0.8))
    '≥ 0.8'
    """
    sides = () if bound is None else (("≥", bound.min), ("≤", bound.max))
    return " and ".join(f"{sign} {number(value)}" for sign, value in sides if value is not None) or NOTHING


def count(value: int | None) -> str:
    """A whole number with its thousands set apart, or a dash."""
    return NOTHING if value is None else f"{value:,}"


def percent(share: float) -> str:
    """A share of one.

    Examples
    --------
    >>> percent(0.95), percent(0.3)
    ('95 %', '30 %')
    """
    return f"{100 * share:.4g} %"


def plain(name: str) -> str:
    """A name of a check or a column of checks, its underscores spaces."""
    return name.replace("_", " ")


def metric(name: str) -> str:
    """A metric's name in full; in brackets stands the class that it holds against the rest.

    Examples
    --------
    >>> metric("tpr"), metric("mean_score"), metric("fpr[high_risk]")
    ('true positive rate', 'mean score', 'false positive rate for high_risk')
    """
    kind, bracket, of = name.partition("[")
    return _METRICS.get(kind, plain(kind)) + (f" for {of.removesuffix(']')}" if bracket else "")


_METRICS = {
    "auc": "AUC",
    "brier": "Brier score",
    "ece": "expected calibration error",
    "tpr": "true positive rate",
    "fpr": "false positive rate",
    "tnr": "true negative rate",
    "fnr": "false negative rate",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "fdr": "false discovery rate",
    "for": "false omission rate",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "excess": "excess of the loss over that of the other rows",
}


def attribute(columns: str) -> str:
    """Columns that were taken together."""
    return columns.replace("*", f" {TIMES} ")


def group(values: Group) -> str:
    """A group by its values; everyone when it has none."""
    return ", ".join(map(str, values.values())) or "everyone"


def listed(values: Iterable[object]) -> str | None:
    """The values one after the other; None when there are none."""
    return ", ".join(map(str, values)) or None


def pairs(values: Mapping[str, object]) -> str | None:
    """Names with their values; None when there are none."""
    return listed(f"{name} = {value}" for name, value in values.items())


def when(time: str) -> str:
    """A time in UTC, to the minute.

    Examples
    --------
    >>> when("2026-01-05T10:00:59.123Z")
    '2026-01-05 10:00 UTC'
    """
    return f"{time[:16].replace('T', ' ')} UTC"


def short(digest: str) -> str:
    """The first twelve digits of a digest, enough to find it among a card's records."""
    return digest[:12]


def source(number: int, record: Record) -> str:
    """Which record something comes from.

    Examples
    --------
    >>> from assay.core import Event
    >>> source(2, Event(event="snapshot", operation="snapshot", by="run", at="now", facts={}))
    'record 2, snapshot 6f68bd778160'
    """
    return f"record {number}, {record.kind} {short(record.digest)}"
