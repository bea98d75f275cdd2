"""Columns of a plain file as what a gate measures. Mistakes are gathered, not met one by one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, UserError

if TYPE_CHECKING:
    import pyarrow as pa

_TRUTH = {"true": "1", "false": "0"}
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_BINARY = {"0", "1"}
_SHOWN = 6
_OTHER_CLASSES = "for more, declare gates.fairness.classes in the policy; of one there is nothing to tell"


@dataclass(slots=True)
class Mistakes:
    """Everything wrong with a command's inputs, to be said in one message."""

    found: list[Problem] = field(default_factory=list)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep the problems of a `UserError` and go on."""
        try:
            yield
        except UserError as error:
            self.found += error.problems

    def add(self, path: str, message: str, mend: str = "") -> None:
        """Keep one problem."""
        self.found.append(Problem(path=path, message=message, mend=mend))

    def stop(self, subject: str) -> None:
        """Raise one `UserError` with all that was kept, if anything was."""
        if self.found:
            raise UserError(subject, list(dict.fromkeys(self.found)))


def word(value: Any) -> str:
    """A class as text, the same for all ways of writing one: 1, 1.0, true and "1" are all ``1``.

    Examples
    --------
    >>> [word(value) for value in (1, 1.0, True, "True", "1.0", 0.5, ">50K")]
    ['1', '1', '1', '1', '1', '0.5', '>50K']
    """
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else _TRUTH.get(text.lower(), text)


class Rows:
    """Some columns of a file; whatever is wrong with them is added to `mistakes`.

    A column that is not as it must be reads as an empty array, so that the other columns can
    still be looked at before `Mistakes.stop`.

    With `counted` each of the rows is a distinct one, which occurs `times`; without it `times` is None.
    """

    def __init__(self, path: Path, columns: Sequence[str], mistakes: Mistakes, *, counted: bool = False) -> None:
        from assay.data.sources import read_columns, read_counts

        self._mistakes = mistakes
        self.table: pa.Table | None = None
        self.times: NDArray[np.int64] | None = None
        with mistakes.gathered():
            if counted:
                self.table, self.times = read_counts(path, columns)
            else:
                self.table = read_columns(path, columns)

    def positive(self, columns: Sequence[str], positive: str | None, *, both: bool = False) -> list[NDArray[np.bool_]]:
        """For each column of classes, the label first, where it is the positive class.

        Without `positive` the columns must be of 0 and 1. Columns that do not speak of the same
        classes are a mistake: read against each other they would look like errors of the model. So is,
        with `both`, a label that has other than two.
        """
        words = {name: self._words(name) for name in columns}
        found = {name: set(values.tolist()) for name, values in words.items()}
        wanted = "1" if positive is None else word(positive)
        if both and len(found[columns[0]]) not in (0, 2):
            self._mistakes.add(columns[0], f"has {_many(found[columns[0]])}; a label has two", _OTHER_CLASSES)
        elif positive is None:
            self._need_binary(found)
        else:
            self._need_shared(found, positive)
        return [np.asarray(values == wanted, dtype=np.bool_) for values in (words[name] for name in columns)]

    def classes(self, columns: Sequence[str]) -> list[NDArray[Any]]:
        """Each column's classes as text, written as `word` writes them."""
        return [self._words(name) for name in columns]

    def numbers(self, column: str) -> NDArray[np.float64]:
        """The column as finite numbers."""
        numbers = self._numbers(column, "the policy's metrics are those of numbers")
        if bad := int(np.count_nonzero(~np.isfinite(numbers))):
            self._mistakes.add(column, f"is no finite number in {bad} of {len(numbers)} rows", "leave such rows out")
        return numbers

    def probabilities(self, column: str) -> NDArray[np.float64]:
        """The column as numbers in [0, 1]."""
        from assay.gates import no_probability

        score = self._numbers(column, "a score is a number between 0 and 1")
        if bad := no_probability(score):
            self._mistakes.add(column, f"is not a number between 0 and 1 in {bad} of {len(score)} rows")
        return score

    def weights(self, column: str) -> NDArray[np.float64]:
        """The column as weights: finite, not negative and not all 0."""
        from assay.gates import no_weight

        weights = self._numbers(column, "a weight is a number from 0 upwards")
        if bad := no_weight(weights):
            self._mistakes.add(
                column,
                f"is negative or no number in {bad} of {len(weights)} rows",
                "a weight is 0 or between 1e-100 and 1e100",
            )
        elif len(weights) and not weights.any():
            self._mistakes.add(column, "is 0 in every row", "give some row a weight")
        return weights

    def _numbers(self, column: str, wanted: str) -> NDArray[np.float64]:
        import pyarrow.types as t

        if self.table is None:
            return np.zeros(0)
        cells = self.table[column]
        if not (t.is_integer(cells.type) or t.is_floating(cells.type) or t.is_decimal(cells.type)):
            self._mistakes.add(column, f"has type {cells.type}; {wanted}")
            return np.zeros(0)
        numbers: NDArray[np.float64] = cells.cast("float64").to_numpy()
        return numbers

    def groups(self, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The columns as text; rows without a value are a group of their own."""
        from assay.data.features import encode

        found: dict[str, NDArray[Any]] = {}
        if self.table is None:
            return found
        for column in columns:
            try:
                found[column] = encode(self.table[column], "text")[:, 0]
            except ValueError as error:
                self._mistakes.add(column, str(error), "a group is a text or a number")
        return found

    def _words(self, column: str) -> NDArray[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        nothing = np.zeros(0, dtype=object)
        if self.table is None:
            return nothing
        cells = self.table[column]
        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if pa.types.is_nested(cells.type):
            self._mistakes.add(column, f"has type {cells.type}, which holds no classes")
            return nothing
        times = np.ones(len(cells), dtype=np.int64) if self.times is None else self.times
        gaps = int(times[pc.is_null(cells, nan_is_null=True).to_numpy()].sum())
        if gaps:
            self._mistakes.add(column, f"has no value in {gaps} of {times.sum()} rows", "leave such rows out")
            return nothing
        encoded = pa.concat_arrays(cells.chunks).dictionary_encode()
        words = np.array([word(value) for value in encoded.dictionary.to_pylist()], dtype=object)
        found: NDArray[Any] = words[encoded.indices.to_numpy()]
        return found

    def _need_binary(self, found: Mapping[str, set[str]]) -> None:
        for name, values in found.items():
            if not values <= _BINARY:
                mend = "say with --positive which of them is the positive class"
                self._mistakes.add(name, f"is neither 0/1 nor true/false: {_list(values)}", mend)

    def _need_shared(self, found: Mapping[str, set[str]], positive: str) -> None:
        label, *others = found
        if not found[label]:  # it has not been read; that has been said
            return
        known = found[label] | (_BINARY if found[label] <= _BINARY else set())
        if word(positive) not in known:
            mend = f"classes found: {_list(found[label])}"
            self._mistakes.add("--positive", f'"{positive}" never occurs in {label}', mend)
        for name in others:
            strangers = found[name] - known
            if strangers and len(known | found[name]) > 2:
                mend = f"{label} has {_list(found[label])}; write both in the same words"
                self._mistakes.add(name, f"holds classes that {label} does not: {_list(strangers)}", mend)


def parse_groups(text: str, mistakes: Mistakes) -> list[str | list[str]]:
    """``sex,race,sex*race`` as a policy's list of groups, without what is wrong in it.

    Examples
    --------
    >>> parse_groups("sex,race,sex*race", Mistakes())
    ['sex', 'race', ['sex', 'race']]
    """
    entries = [[column.strip() for column in entry.split("*")] for entry in text.split(",")]
    if any(not column for entry in entries for column in entry):
        mistakes.add("--groups", f'has an empty name in "{text}"', "write columns as A,B and combinations as A*B")
    distinct: dict[frozenset[str], list[str]] = {}
    repeated = []
    for entry in ([column for column in entry if column] for entry in entries):
        if len(set(entry)) < len(entry) or frozenset(entry) in distinct:
            repeated.append("*".join(entry))
        elif entry:
            distinct[frozenset(entry)] = entry
    if any(repeated):
        mistakes.add("--groups", f"names twice: {', '.join(filter(None, repeated))}")
    return [entry[0] if len(entry) == 1 else entry for entry in distinct.values()]


def _many(values: set[str]) -> str:
    return f"one class, {_list(values)}" if len(values) == 1 else f"{len(values)} classes: {_list(values)}"


def _list(values: set[str]) -> str:
    shown = sorted(values)
    more = f", ... ({len(shown)} in all)" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
