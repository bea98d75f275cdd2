"""A first contract: what holds for the data at hand, with room for what is to come."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import did_you_mean, problem
from assay.data.draft.categories import categories, is_coded
from assay.data.draft.expectations import Expectation, expect, not_null, of_type, unique
from assay.data.draft.implications import implications
from assay.data.draft.numbers import is_amount, numbers, times
from assay.data.draft.roles import Roles
from assay.data.draft.room import Room, floored
from assay.data.draft.seen import Seen, look
from assay.data.draft.texts import texts
from assay.data.engine import open_rows, open_table
from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.data.engine import Rows

MOST_COLUMNS = 1000
"""A contract of thousands of expectations is read by nobody."""


def suggest(
    rows: "Rows", *, name: str, key: str | None = None, columns: Sequence[str] = (), progress: Progress = silent
) -> dict[str, Any]:
    """Draft a suite that the rows themselves meet.

    Parameters
    ----------
    rows
        The data, looked at where they are.
    name
        What the suite is called.
    key
        Column that names a row; None when none does.
    columns
        Those to draft for; all when empty.
    progress
        Is told how far the work has come.

    Returns
    -------
    dict
        A Great Expectations suite; the notes of each expectation say what in the data led to it.

    Raises
    ------
    UserError
        When there is no such key, there are no rows, or more than `MOST_COLUMNS` columns.
    """
    names, wanted = rows.schema.names, list(columns or rows.schema.names)
    if key is not None and key not in names:
        raise problem("--key", f'no column "{key}"', did_you_mean(key, names))
    if not rows.count:
        raise problem(name, "has no rows to draft a contract from")
    if len(wanted) > MOST_COLUMNS:
        mend = "draft from a file with the columns that matter"
        raise problem(name, f"has {len(wanted):,} columns; a contract of more than {MOST_COLUMNS:,} nobody reads", mend)
    seen, room = look(rows, wanted, progress), Room.of(rows.count, len(wanted))
    drafted = [*_of_table(rows, seen, wanted, key, room), *_of_columns(rows, seen, key, room)]
    drafted += implications(rows, [each for each in seen if each.name != key], room, progress)
    return {"name": name, "expectations": drafted}


def suggest_of(file: Path, key: str) -> dict[str, Any]:
    """Draft a suite of a Parquet file, called as the file is."""
    with open_rows([file]) as rows:
        return suggest(rows, name=file.stem, key=key)


def draft_contract(table: "pa.Table", roles: Roles, name: str) -> str:
    """A suite for a model's data, as JSON, that the table itself meets."""
    data = roles.data
    with open_table(table) as rows:
        suite = suggest(rows, name=name, key=data.key, columns=data.columns)
        room = Room.of(rows.count, len(data.columns))
        known = {(each["type"], each["kwargs"].get("column")) for each in suite["expectations"]}
        wanted = [_classes(table, data.label)]
        for seen in look(rows, data.sensitive):
            wanted += [*not_null(seen, room), *categories(seen, room)]
    suite["expectations"] += [each for each in wanted if (each["type"], each["kwargs"]["column"]) not in known]
    return text_of(suite)


def text_of(suite: dict[str, Any]) -> str:
    """A suite as the JSON that is kept in a file."""
    return json.dumps(suite, indent=2, ensure_ascii=False) + "\n"


def _of_table(
    rows: "Rows", seen: Sequence[Seen], columns: Sequence[str], key: str | None, room: Room
) -> Iterator[Expectation]:
    yield expect(
        "expect_table_columns_to_match_set",
        f"The {len(columns)} columns at hand must be there; others may come.",
        column_set=list(columns),
        exact_match=False,
    )
    yield expect(
        "expect_table_row_count_to_be_between",
        f"There are {rows.count:,} rows; half of that is a broken feed.",
        min_value=max(1, rows.count // 2),
    )
    yield from _alike(rows, [each.name for each in seen if not each.nulls and each.name != key], room)


def _alike(rows: "Rows", columns: Sequence[str], room: Room) -> Iterator[Expectation]:
    """That rows do not repeat others, where they do not already; a null is unlike any other in SQL."""
    if len(columns) < 2:
        return
    repeats = rows.alike(columns)
    mostly = floored(1 - 2 * room.most(repeats // 2, rows.count)) if repeats else None  # they repeat in twos
    if mostly is None or mostly >= 0.9:
        notes = f"{repeats:,} of {rows.count:,} rows are" if repeats else f"None of {rows.count:,} rows is"
        yield expect(
            "expect_compound_columns_to_be_unique",
            f"{notes} the same as another in all these columns: rows that are were loaded twice.",
            column_list=list(columns), mostly=mostly,
        )  # fmt: skip


def _of_columns(rows: "Rows", seen: Sequence[Seen], key: str | None, room: Room) -> Iterator[Expectation]:
    others = [each for each in seen if each.present and each.name != key]
    about = numbers(rows, [each for each in others if is_amount(each) and not is_coded(each)], room)
    about |= times(rows, [each for each in others if each.family in ("date", "time")], room)
    about |= texts(rows, [each for each in others if each.family == "text" and not is_coded(each)], room)
    for each in seen:
        if each.name == key:
            yield unique(each, key=True)
            yield expect(
                "expect_column_values_to_not_be_null", "A row without a key cannot be named.", column=each.name
            )
        elif each.present:
            if each.unique:
                yield unique(each, key=False)
            yield of_type(each)
            yield from not_null(each, room)
            yield from categories(each, room)
            yield from about.get(each.name, [])


def _classes(table: "pa.Table", label: str) -> Expectation:
    values = sorted(table[label].drop_null().unique().to_pylist(), key=str)
    return expect("expect_column_values_to_be_in_set", "The two classes.", column=label, value_set=values)
