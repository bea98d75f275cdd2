"""What the columns of a data set hold, in the few numbers from which a contract is drafted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.data.engine import Rows

Family = Literal["integer", "number", "text", "boolean", "date", "time", "other"]

MOST_CATEGORIES = 50
SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One column.

    Attributes
    ----------
    name, family
        Its name and kind of type.
    rows, nulls, distinct
        Numbers of rows, of rows without a value, and about of different values.
    low, high
        Least and greatest value; None without any.
    quantiles
        At `SHARES`, times in seconds; empty where there are none.
    categories
        Every value with its number, most frequent first; None when there are more than `MOST_CATEGORIES`.
    unique
        Whether no value occurs twice.
    """

    name: str
    family: Family
    rows: int
    nulls: int
    distinct: int
    low: Any
    high: Any
    quantiles: Sequence[float]
    categories: Sequence[tuple[Any, int]] | None
    unique: bool

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return self.rows - self.nulls


def look(rows: "Rows", columns: Sequence[str], progress: Progress = silent) -> list[Seen]:
    """Look at columns, in the order given."""
    families = {name: family(rows.schema.field(name).type) for name in columns}
    plain = [name for name in columns if families[name] != "other"]
    summaries = rows.summaries(plain)
    quantiles = rows.quantiles(
        [name for name in plain if families[name] in ("integer", "number", "date", "time")], SHARES
    )
    found = []
    for at, name in enumerate(plain):
        progress("looking at columns", at, len(plain))
        summary, kind = summaries[name], families[name]
        listed = None
        if kind in ("integer", "text", "boolean") and summary.distinct <= 2 * MOST_CATEGORIES:
            listed = rows.largest_categories(name, MOST_CATEGORIES + 1)
        present = rows.count - summary.nulls
        likely = kind in ("integer", "text") and present > 1 and summary.distinct >= 0.8 * present
        found.append(
            Seen(
                name=name,
                family=kind,
                rows=rows.count,
                nulls=summary.nulls,
                distinct=len(listed) if listed is not None else summary.distinct,
                low=summary.low,
                high=summary.high,
                quantiles=quantiles.get(name, []),
                categories=listed if listed is not None and len(listed) <= MOST_CATEGORIES else None,
                unique=likely and rows.repeated(name, 1)[0] == 0,
            )
        )
    return found


def family(type_: "pa.DataType") -> Family:
    """The kind of an Arrow type."""
    import pyarrow.types as t

    if t.is_dictionary(type_):
        return family(type_.value_type)
    kinds: tuple[tuple[Family, bool], ...] = (
        ("boolean", t.is_boolean(type_)),
        ("integer", t.is_integer(type_)),
        ("number", t.is_floating(type_) or t.is_decimal(type_)),
        ("text", t.is_string(type_) or t.is_large_string(type_)),
        ("date", t.is_date(type_)),
        ("time", t.is_timestamp(type_)),
    )
    return next((kind for kind, is_it in kinds if is_it), "other")
