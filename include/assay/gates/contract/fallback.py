"""What cannot run on SQL: Great Expectations' pandas engine, on the columns that an expectation needs."""

from collections.abc import Mapping
from typing import Any

from assay.gates.contract.adapter import Batch, Entry, frame_batch, validate
from assay.gates.contract.offending import Offending

# Whether a value is expected depends on that value alone, so each distinct one is looked at once.
_BY_VALUE = {
    "expect_column_values_to_be_dateutil_parseable",
    "expect_column_values_to_be_json_parseable",
    "expect_column_values_to_match_json_schema",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_regex_list",
}
_RESULT = {"result_format": "COMPLETE"}


def evaluate(batch: Batch, position: int, entry: Entry, key: str | None) -> tuple[dict[str, Any], Offending | None]:
    """An expectation's result, in the form of the SQL engine's, and its offending rows where there are any."""
    if entry["type"] in _BY_VALUE and not entry["kwargs"].get("row_condition"):
        return _by_value(batch, position, entry, key)
    return _by_row(batch, position, entry, key)


def columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """The columns that an expectation is about."""
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if kwargs.get(key) is not None]
    return [str(name) for name in [*single, *(kwargs.get("column_list") or [])]]


def _by_value(batch: Batch, position: int, entry: Entry, key: str | None) -> tuple[dict[str, Any], Offending | None]:
    import numpy as np

    column = entry["kwargs"]["column"]
    name = identifier(column)
    frame = _frame(
        batch,
        f"SELECT {name}, count(*) AS times FROM {batch.table} WHERE {name} IS NOT NULL GROUP BY ALL ORDER BY ALL",
    )
    times = frame.iloc[:, 1].to_numpy(dtype=np.int64)
    found = validate(frame_batch(frame.iloc[:, [0]]), {position: entry}, _RESULT)[position]
    if "element_count" not in found["result"]:
        return found, None
    bad = list(found["result"].get("unexpected_index_list") or [])
    unexpected, present = int(times[bad].sum()), int(times.sum())
    found["result"] |= {
        "element_count": batch.rows,
        "missing_count": batch.rows - present,
        "unexpected_count": unexpected,
    }
    found["success"] = not present or (present - unexpected) / present >= float(entry["kwargs"].get("mostly", 1))
    table = _keep(batch, position, frame.iloc[bad, [0]])
    named = list(dict.fromkeys([*([key] if key else []), column]))
    return found, _select(batch.table, named, f"{name} IN (SELECT {name} FROM {table})")


def _by_row(batch: Batch, position: int, entry: Entry, key: str | None) -> tuple[dict[str, Any], Offending | None]:
    columns = columns_of(entry["kwargs"]) or list(batch.columns)
    condition = str(entry["kwargs"].get("row_condition") or "")
    needed = dict.fromkeys([*([key] if key else []), *columns, *(name for name in batch.columns if name in condition)])
    frame = _frame(batch, f"SELECT {', '.join(map(identifier, needed))} FROM {batch.table}")
    found = validate(frame_batch(frame), {position: entry}, _RESULT)[position]
    bad = found["result"].get("unexpected_index_list") or []
    if "element_count" not in found["result"] or not bad:
        return found, None
    named = list(dict.fromkeys([*([key] if key else []), *columns]))
    return found, _select(_keep(batch, position, frame.loc[bad, named]), named)


def identifier(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _frame(batch: Batch, query: str) -> Any:
    return batch.connection.execute(query).df()


def _keep(batch: Batch, position: int, frame: Any) -> str:
    """Make a scratch table of a frame; its name."""
    name, connection = f"{batch.table}_offending_{position}", batch.connection
    connection.register("frame", frame)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM frame")
    connection.unregister("frame")
    return name


def _select(table: str, columns: list[str], where: str = "true") -> Offending:
    import sqlalchemy as sa

    fields: list[Any] = [sa.column(name) for name in columns]
    query = sa.select(*fields).select_from(sa.table(table)).where(sa.literal_column(where))
    return Offending(query=query.subquery(), columns=columns)
