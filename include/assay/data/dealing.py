"""Deal rows to training, validation and test, so that nothing that belongs together is torn apart."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, UserError, problem
from assay.data.splits import hashes, mixed, uniform

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data, Split

TRAIN, VALIDATION, TEST = 0, 1, 2
_NAMES = ("train", "validation", "test")
_NULL = np.uint64(0x6E756C6C)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dealt:
    """Which row is on which side.

    Attributes
    ----------
    sides
        Of shape (n,): `TRAIN`, `VALIDATION` or `TEST` for each row.
    cuts
        For a split by time the first instants of validation and of test.
    """

    sides: NDArray[np.uint8]
    cuts: dict[str, str]

    def facts(self, split: "Split") -> dict[str, Any]:
        """What the manifest says of it; the digest is over `sides`, a byte for each row in their order."""
        rows = {name: int((self.sides == side).sum()) for side, name in enumerate(_NAMES)}
        return {
            **split.model_dump(),
            **({"cuts": self.cuts} if self.cuts else {}),
            "rows": rows,
            "sides_sha256": hashlib.sha256(self.sides.tobytes()).hexdigest(),
        }


class Dealer:
    """Takes rows batch by batch, keeps some bytes of each, and deals them when all are there.

    ``random`` goes by the key alone, as `holdout_mask` does: no other row matters. With duplicates
    together it goes by the features instead, so that equal rows meet the same fate. ``group`` goes by
    the group; with duplicates together, groups that share a row are dealt as one. ``time`` tests on
    the latest rows; an instant is never torn apart, and a row that was there before counts as old.
    The order of the rows never matters.
    """

    def __init__(self, data: "Data") -> None:
        self._data = data
        self._own: list[NDArray[Any]] = []
        self._alike: list[NDArray[np.uint64]] = []
        self._rows = self._unplaced = 0

    @property
    def columns(self) -> list[str]:
        """What it needs to see."""
        features = self._data.features if self._together else []
        return list(dict.fromkeys([*([self._goes_by] if self._goes_by else []), *features]))

    @property
    def refusal(self) -> Problem | None:
        """What keeps the rows taken so far from being dealt: cells to go by that hold nothing."""
        if not self._unplaced:
            return None
        assert self._goes_by is not None
        message = f"is null in {self._unplaced:,} of {self._rows:,} rows, which a split by it cannot place"
        return Problem(path=self._goes_by, message=message, mend="fill it or leave those rows out at the source")

    def take(self, rows: "pa.Table | pa.RecordBatch") -> None:
        """Look at further rows.

        Raises
        ------
        UserError
            When the column to go by is of a type that no split can go by.
        """
        self._rows += rows.num_rows
        if self._goes_by:
            own = _filled(rows.column(self._goes_by))
            self._unplaced += rows.num_rows - len(own)
            self._own.append(self._sortable(own))
        if self._together:
            self._alike.append(feature_hashes(rows, self._data.features))

    def deal(self) -> Dealt:
        """Say where every row goes.

        Raises
        ------
        UserError
            When rows have no key, group or time to go by, with their number.
        """
        if (refusal := self.refusal) is not None:
            raise UserError(refusal.path, [refusal])
        if not self._rows:
            return Dealt(sides=np.empty(0, dtype=np.uint8), cuts={})
        split = self._data.split
        own = np.concatenate(self._own) if self._goes_by else None
        alike = np.concatenate(self._alike) if self._together else None
        if own is not None and split is not None and split.by == "time":
            return _by_time(own, alike, split)
        dealt = _joined(own, alike) if own is not None and alike is not None else own if alike is None else alike
        assert dealt is not None
        validation, test = (0.0, self._data.holdout) if split is None else (split.validation, split.test)
        return Dealt(sides=_by_share(uniform(dealt), validation, test), cuts={})

    def _sortable(self, own: Any) -> NDArray[Any]:
        import pyarrow as pa

        split = self._data.split
        try:
            return _microseconds(own) if split is not None and split.by == "time" else hashes(own)
        except pa.ArrowException:
            raise problem(str(self._goes_by), f"has type {own.type}, which a split cannot go by") from None

    @property
    def _together(self) -> bool:
        return self._data.split is not None and self._data.split.duplicates == "together"

    @property
    def _goes_by(self) -> str | None:
        split = self._data.split
        if split is None or split.by == "random":
            return None if self._together else self._data.key
        return str(split.column or self._data.time)


def deal(rows: "pa.Table", data: "Data") -> Dealt:
    """Deal the rows of a table, as a policy's `data` says; see `Dealer`.

    Raises
    ------
    UserError
        When rows have nothing to go by.
    """
    dealer = Dealer(data)
    dealer.take(rows)
    return dealer.deal()


def feature_hashes(rows: "pa.Table | pa.RecordBatch", features: list[str]) -> NDArray[np.uint64]:
    """A hash of each row's features, of shape (n,): equal cells, equal hash. Null and NaN are equal to each other.

    Two of a million different rows meet in one hash with probability 3e-8; they are then dealt together.

    Raises
    ------
    UserError
        When a column is of a type that has no texts, such as bytes.
    """
    import pyarrow as pa

    found = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in features:
        try:
            found = mixed(found ^ _cells(rows.column(name)))
        except pa.ArrowException:
            raise problem(name, f"has type {rows.column(name).type}, by which rows cannot be compared") from None
    return found


def _cells(column: Any) -> NDArray[np.uint64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        values = np.asarray(column.cast(pa.float64()).fill_null(np.nan)) + 0.0  # -0.0 is 0.0
        return np.where(np.isnan(values), _NULL, mixed(values.view(np.uint64)))
    missing = column.is_null().to_numpy(zero_copy_only=False)
    coded = column.dictionary_encode()
    if not len(coded.dictionary):
        return np.full(len(column), _NULL)
    known = hashes(coded.dictionary)
    return np.where(missing, _NULL, known[pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)])


def _by_share(unit: NDArray[np.float64], validation: float, test: float) -> NDArray[np.uint8]:
    sides = np.where(unit < test, TEST, np.where(unit < test + validation, VALIDATION, TRAIN))
    return sides.astype(np.uint8)


def _by_time(times: NDArray[np.int64], alike: NDArray[np.uint64] | None, split: "Split") -> Dealt:
    if alike is not None:  # a row that was there before counts from then on
        _, row = np.unique(alike, return_inverse=True)
        first = np.full(int(row.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, row, times)
        times = first[row]
    ordered = np.sort(times)
    cuts, sides, share = {}, np.full(len(times), TRAIN, dtype=np.uint8), split.test + split.validation
    for side, wanted in ((VALIDATION, share), (TEST, split.test)):
        if side == TEST or split.validation:
            cut = ordered[min(len(ordered) - 1, round(len(ordered) * (1 - wanted)))]
            sides[times >= cut] = side
            cuts[_NAMES[side]] = (datetime(1970, 1, 1) + timedelta(microseconds=int(cut))).isoformat()
    return Dealt(sides=sides, cuts=cuts)


def _joined(groups: NDArray[np.uint64], alike: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """For each row a hash of all groups that equal rows join to its own; a group by itself keeps its own hash."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, group = np.unique(groups, return_inverse=True)
    _, row = np.unique(alike, return_inverse=True)
    size = int(group.max()) + int(row.max()) + 2
    edges = coo_array((np.ones(len(group), dtype=np.int8), (group, row + int(group.max()) + 1)), shape=(size, size))
    _, part = connected_components(edges, directed=False)
    least = np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, part[group], groups)
    groups_in = np.bincount(part[: int(group.max()) + 1], minlength=size)
    # the least of several hashes is small, and small hashes are tested on: it is mixed anew
    dealt = np.where(groups_in > 1, mixed(least), least)
    return np.asarray(dealt[part[group]], dtype=np.uint64)


def _filled(column: Any) -> Any:
    """The cells that hold something: neither null nor NaN. -0.0 is 0.0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.add(column.filter(pc.invert(pc.is_nan(column))), pa.scalar(0, column.type))
    return column.drop_null()


def _microseconds(column: Any) -> NDArray[np.int64]:
    import pyarrow as pa

    stamps = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False)  # nanoseconds are cut off
    return np.asarray(stamps.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
