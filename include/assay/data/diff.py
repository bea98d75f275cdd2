"""What changed between two snapshots: columns, rows, and how far each column has moved."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.data.checks import is_time
from assay.data.engine import open_rows
from assay.data.progress import Progress, silent
from assay.data.terms import rekeyed
from assay.stats.divergence import chi_squared, kolmogorov_smirnov, psi, psi_interval
from assay.stats.simultaneous import holm

if TYPE_CHECKING:
    from assay.data.engine import Rows, Summary
    from assay.data.snapshots import Snapshot

Kind = Literal["number", "time", "category"]

_SHARES = [at / 100 for at in range(1, 100)]
_BINS = 10
_CATEGORIES = 50
_NAMED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """How far a column has moved.

    Attributes
    ----------
    column, kind
        Its name, and whether it was taken for numbers, times or categories.
    psi, interval
        Population stability index over tenths of the older snapshot or its most frequent categories,
        with a cell for missing values; and where it would lie with endless rows, see `psi_interval`.
    effect, p_value
        Of the two-sample test: the largest difference of cumulative shares (Kolmogorov and Smirnov)
        for numbers and times, Cramér's V for categories. The p-value is corrected for the number of
        columns by Holm's method.
    missing
        Share of rows without a value, before and after.
    appeared
        Frequent categories that the older snapshot does not have, a few.
    """

    column: str
    kind: Kind
    psi: float
    interval: tuple[float, float]
    effect: float
    p_value: float
    missing: tuple[float, float]
    appeared: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """What changed from one snapshot to another.

    Attributes
    ----------
    before, after
        Their ids.
    rows
        Numbers of rows, before and after.
    added, removed
        Columns and their types.
    retyped
        Column, type before and type after.
    terms
        Name, value before and value after of what else the manifests say differently.
    movements
        Columns that both have in one type, the largest index first.
    not_compared
        Columns that nearly every row has another value of, such as keys: they have no distribution.
    rekeyed
        Columns of pseudonyms under different keys, or in one snapshot alone: they cannot be compared.
    """

    before: str
    after: str
    rows: tuple[int, int]
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    retyped: tuple[tuple[str, str, str], ...]
    terms: tuple[tuple[str, Any, Any], ...]
    movements: tuple[Movement, ...]
    not_compared: tuple[str, ...]
    rekeyed: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both hold the same content."""
        return self.before == self.after

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def diff(before: "Snapshot", after: "Snapshot", *, confidence: float = 0.95, progress: Progress = silent) -> Diff:
    """Compare two snapshots out of core; what `confidence` is for is each interval by itself.

    Raises
    ------
    OSError
        When their files cannot be read.
    """
    old, new = ({field["name"]: field["type"] for field in each.manifest["schema"]} for each in (before, after))
    foreign = [name for name in rekeyed(before.manifest, after.manifest) if name in old and name in new]
    shared = [name for name in old if new.get(name) == old[name] and name not in foreign]
    with open_rows(before.files()) as one, open_rows(after.files()) as other:
        movements, skipped = compare(one, other, shared, confidence=confidence, progress=progress)
    return Diff(
        before=before.id,
        after=after.id,
        rows=(before.rows, after.rows),
        added=tuple((name, new[name]) for name in new if name not in old),
        removed=tuple((name, old[name]) for name in old if name not in new),
        retyped=tuple((name, old[name], new[name]) for name in old if name in new and old[name] != new[name]),
        terms=_terms(before, after),
        movements=tuple(movements),
        not_compared=tuple(skipped),
        rekeyed=tuple(foreign),
    )


def compare(
    before: "Rows", after: "Rows", columns: Sequence[str], *, confidence: float, progress: Progress = silent
) -> tuple[list[Movement], list[str]]:
    """How far each column has moved, the furthest first, and the columns that have no distribution."""
    progress("summing up the columns", 0, None)
    old, new = before.summaries(columns), after.summaries(columns)
    kinds = {name: kind for name in columns if (kind := _kind(before, name, old[name])) is not None}
    cells = _numbers(before, after, [name for name, kind in kinds.items() if kind != "category"], old, new)
    found = []
    for at, (name, kind) in enumerate(kinds.items()):
        progress("comparing the columns", at, len(kinds))
        appeared: tuple[str, ...] = ()
        if kind == "category":
            cells[name], appeared = _categories(before, after, name, old[name], new[name])
        fine = cells[name]
        test = chi_squared if kind == "category" else kolmogorov_smirnov
        coarse = fine if kind == "category" else _coarse(fine)
        effect, p_value = test(fine[0], fine[1])
        found.append(
            Movement(
                column=name, kind=kind, effect=effect, p_value=p_value, appeared=appeared,
                psi=psi(coarse[0], coarse[1]), interval=psi_interval(coarse[0], coarse[1], confidence),
                missing=(old[name].nulls / before.count, new[name].nulls / after.count),
            )
        )  # fmt: skip
    return _ranked(found), [name for name in columns if name not in kinds]


def _ranked(found: list[Movement]) -> list[Movement]:
    if not found:
        return []
    corrected = holm([each.p_value for each in found])
    told = [replace(each, p_value=float(p)) for each, p in zip(found, corrected, strict=True)]
    return sorted(told, key=lambda each: (-each.psi, each.column))


def _kind(rows: "Rows", name: str, summary: "Summary") -> Kind | None:
    import pyarrow as pa

    type_ = rows.schema.field(name).type
    if is_time(type_):
        return "time"
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    if summary.distinct > max(_CATEGORIES, 0.5 * (rows.count - summary.nulls)):
        return None
    return "number" if pa.types.is_integer(type_) else "category"


def _numbers(
    before: "Rows", after: "Rows", columns: list[str], old: "dict[str, Summary]", new: "dict[str, Summary]"
) -> dict[str, NDArray[np.int64]]:
    """For each column the counts of both sides up to the older one's hundredths, and without a value."""
    edges = {name: sorted(set(values)) or [0.0] for name, values in before.quantiles(columns, _SHARES).items()}
    sides = [rows.histograms(edges) if edges else {} for rows in (before, after)]
    missing = [[each[name].nulls for each in (old, new)] for name in columns]
    return {
        name: np.column_stack([np.vstack([side[name] for side in sides]), nulls])
        for name, nulls in zip(columns, missing, strict=True)
    }


def _coarse(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Neighbouring bins taken together until each holds a tenth of the older side; the last cell is for no value."""
    bins, missing = cells[:, :-1], cells[:, -1:]
    before = np.cumsum(bins[0]) - bins[0]
    place = np.minimum(_BINS - 1, before * _BINS // max(1, int(bins[0].sum())))
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    return np.hstack([np.add.reduceat(bins, starts, axis=1), missing])


def _categories(
    before: "Rows", after: "Rows", name: str, old: "Summary", new: "Summary"
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The counts of both sides: the older one's most frequent values, all others, and without a value."""
    frequent = [value for value, _ in before.largest_categories(name, _CATEGORIES)]
    sides = []
    for rows, nulls in ((before, old.nulls), (after, new.nulls)):
        counted = rows.tallies(name, frequent)
        sides.append([*counted, rows.count - nulls - int(counted.sum()), nulls])
    latest = [value for value, _ in after.largest_categories(name, _CATEGORIES)]
    appeared = [str(value) for value, n in zip(latest, before.tallies(name, latest), strict=True) if n == 0]
    return np.array(sides, dtype=np.int64), tuple(appeared[:_NAMED])


def _terms(before: "Snapshot", after: "Snapshot") -> tuple[tuple[str, Any, Any], ...]:
    told = ("source", "source_sha256", "query", "delta_version", "time", "purpose", "keep_until", "dropped",
            "pseudonymized", "consent", "split", "code_version")  # fmt: skip
    pairs = ((name, before.manifest.get(name), after.manifest.get(name)) for name in told)
    return tuple(each for each in pairs if each[1] != each[2])
