"""A first contract: what holds for the data at hand, with room for what is to come."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assay.core import did_you_mean, problem
from assay.data.draft.expectations import Expectation, categories, expect, not_null, of_column, unique
from assay.data.draft.implications import implications
from assay.data.draft.roles import Roles
from assay.data.draft.seen import Seen, look
from assay.data.engine import open_table
from assay.data.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.data.engine import Rows


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
        When there is no such key, or there are no rows.
    """
    names = rows.schema.names
    if key is not None and key not in names:
        raise problem("--key", f'no column "{key}"', did_you_mean(key, names))
    if not rows.count:
        raise problem(name, "has no rows to draft a contract from")
    seen = look(rows, list(columns or names), progress)
    drafted = [*_of_table(rows, list(columns or names)), *_of_columns(rows, seen, key)]
    drafted += implications(rows, [each for each in seen if each.name != key], progress)
    return {"name": name, "expectations": drafted}


def draft_contract(table: "pa.Table", roles: Roles, name: str) -> str:
    """A suite for a model's data, as JSON, that the table itself meets."""
    data = roles.data
    with open_table(table) as rows:
        suite = suggest(rows, name=name, key=data.key, columns=data.columns)
        known = {(each["type"], each["kwargs"].get("column")) for each in suite["expectations"]}
        wanted = [_classes(table, data.label)]
        for seen in look(rows, data.sensitive):
            wanted += [*not_null(seen), *categories(seen)]
    suite["expectations"] += [each for each in wanted if (each["type"], each["kwargs"]["column"]) not in known]
    return text_of(suite)


def text_of(suite: dict[str, Any]) -> str:
    """A suite as the JSON that is kept in a file."""
    return json.dumps(suite, indent=2, ensure_ascii=False) + "\n"


def _of_table(rows: "Rows", columns: Sequence[str]) -> Iterator[Expectation]:
    yield expect(
        "expect_table_columns_to_match_set",
        f"The {len(columns)} columns at hand; others may come and go.",
        column_set=list(columns),
        exact_match=False,
    )
    yield expect(
        "expect_table_row_count_to_be_between",
        f"There are {rows.count:,} rows; half of that is a broken feed.",
        min_value=max(1, rows.count // 2),
    )


def _of_columns(rows: "Rows", seen: Sequence[Seen], key: str | None) -> Iterator[Expectation]:
    for each in seen:
        if each.name == key:
            yield unique(each, key=True)
            yield expect(
                "expect_column_values_to_not_be_null", "A row without a key cannot be named.", column=each.name
            )
        elif each.present:
            if each.unique:
                yield unique(each, key=False)
            yield from of_column(rows, each)


def _classes(table: "pa.Table", label: str) -> Expectation:
    values = sorted(table[label].drop_null().unique().to_pylist(), key=str)
    return expect("expect_column_values_to_be_in_set", "The two classes.", column=label, value_set=values)
