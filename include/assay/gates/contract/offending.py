"""The rows that an expectation does not expect: as the query that Great Expectations itself would make for them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assay.gates.contract.adapter import Batch, Entry
from assay.gates.contract.builtin.personal import kind_of
from assay.gates.contract.dialect import great_expectations

SHOWN = 20
"""How many offending rows a check names."""
_BY_QUERY = "unexpected_rows_expectation"
_REPEATED = "expect_compound_columns_to_be_unique"
# whether a column is of a type is said of the column, not of its rows
_OF_COLUMNS = {"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"}
_LIMIT = 1_000_003  # by which Great Expectations' query for offending rows is told from its other queries


@dataclass(frozen=True, kw_only=True, slots=True)
class Offending:
    """A query for offending rows.

    Attributes
    ----------
    query
        A SQLAlchemy subquery.
    columns
        Which of the data's columns it has, the key first if it is known.
    """

    query: Any
    columns: Sequence[str]

    def examples(self, batch: Batch, key: str | None) -> tuple[dict[str, str | None], ...]:
        """`SHOWN` distinct ones, the same every time: the first by key, or without one the most frequent."""
        import sqlalchemy as sa

        fields = list(self.query.c)
        order = [field.asc().nulls_first() for field in fields]
        if key not in self.columns:
            order.insert(0, sa.func.count().desc())
        rows = batch.engine.execute_query(sa.select(*fields).group_by(*fields).order_by(*order).limit(SHOWN)).fetchall()
        tell = [named if column == key else shown for column in self.columns]
        return tuple(
            {name: told(value) for name, told, value in zip(self.columns, tell, row, strict=True)} for row in rows
        )


def offending(batch: Batch, entry: Entry, key: str | None) -> Offending | None:
    """The rows that an expectation does not expect; None when it is not about rows."""
    if entry["type"] in _OF_COLUMNS:
        return None
    if entry["type"] == _BY_QUERY:
        return _of_query(batch, entry, key)
    if entry["type"] == _REPEATED:
        return _of_repeats(batch, entry, key)
    return _of_condition(batch, entry, key)


def shown(value: Any) -> str | None:
    """A value as a verdict shows it, which many people read: what looks personal is named by its kind alone.

    Examples
    --------
    >>> shown("ann@example.org"), shown(-1), shown(None)
    ('(e-mail addresses)', '-1', None)
    """
    text = named(value)
    kind = None if text is None else kind_of(text)
    return text if kind is None else f"({kind})"


def named(value: Any) -> str | None:
    """The key of a row as a verdict shows it; None where there is none."""
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _of_condition(batch: Batch, entry: Entry, key: str | None) -> Offending | None:
    from great_expectations.expectations.registry import get_metric_kwargs
    from great_expectations.validator.metric_configuration import MetricConfiguration

    expectation, kwargs = _expectation(batch, entry), entry["kwargs"]
    if getattr(expectation, "map_metric", None) is None:
        return None
    columns = [kwargs[name] for name in ("column", "column_A", "column_B") if kwargs.get(name)]
    columns += kwargs.get("column_list") or []
    runtime = {
        "result_format": {
            "result_format": "SUMMARY",
            "partial_unexpected_count": _LIMIT,
            "unexpected_index_column_names": [key or columns[0]],
            "include_unexpected_rows": False,
        }
    }
    name = f"{expectation.map_metric}.unexpected_index_list"
    found = get_metric_kwargs(metric_name=name, configuration=expectation.configuration, runtime_configuration=runtime)
    queries = _queries(batch, MetricConfiguration(name, found["metric_domain_kwargs"], found["metric_value_kwargs"]))
    wanted = [query for query in queries if getattr(query, "_limit", None) == _LIMIT]
    if len(wanted) != 1:
        return None
    return _renamed(wanted[0].limit(None).subquery(), [key or columns[0], *columns])


def _of_query(batch: Batch, entry: Entry, key: str | None) -> Offending | None:
    """The rows of the author's own query: the key, and the columns that the query names."""
    import sqlalchemy as sa
    from great_expectations.validator.metric_configuration import MetricConfiguration

    text = entry["kwargs"]["unexpected_rows_query"]
    value = {"unexpected_rows_query": text}
    domain = {"batch_id": batch.gx_batch.id, "row_condition": None, "condition_parser": None}
    queries = _queries(batch, MetricConfiguration("unexpected_rows_query.table", domain, value))
    if len(queries) != 1:
        return None
    described = batch.connection.execute(f"DESCRIBE {queries[0]}").fetchall()
    found = list(dict.fromkeys(str(row[0]) for row in described))
    if len(found) < len(described):  # a join with two columns of one name
        return None
    named = [name for name in found if name in text or name not in batch.columns]
    columns = list(dict.fromkeys([*([key] if key in found else []), *named])) or found
    rows = sa.text(str(queries[0])).columns(*(sa.column(name) for name in found)).subquery()
    return Offending(query=sa.select(*(rows.c[name] for name in columns)).subquery(), columns=columns)


def _of_repeats(batch: Batch, entry: Entry, key: str | None) -> Offending | None:
    """Rows of a repeated combination; Great Expectations' own query for them names a column that is ambiguous."""
    import sqlalchemy as sa

    if entry["kwargs"].get("row_condition"):
        return None
    columns = entry["kwargs"]["column_list"]
    named = list(dict.fromkeys([*([key] if key else []), *columns]))
    rows = sa.table(batch.table, *(sa.column(name) for name in named)).alias("rows")
    repeated = (
        sa.select(*(sa.column(name) for name in columns))
        .select_from(sa.table(batch.table))
        .group_by(*(sa.column(name) for name in columns))
        .having(sa.func.count() > 1)
        .subquery()
    )
    same = sa.and_(*(rows.c[name] == repeated.c[name] for name in columns))
    query = sa.select(*(rows.c[name] for name in named)).select_from(rows.join(repeated, same))
    return Offending(query=query.subquery(), columns=named)


def _renamed(query: Any, columns: Sequence[str]) -> Offending:
    """The query's fields under the names of the data, each once."""
    import sqlalchemy as sa

    first: dict[str, Any] = {}
    for name, field in zip(columns, query.c, strict=True):
        first.setdefault(name, field.label(name))
    return Offending(query=sa.select(*first.values()).subquery(), columns=list(first))


def _expectation(batch: Batch, entry: Entry) -> Any:
    great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    kwargs = {**entry["kwargs"], "batch_id": batch.gx_batch.id}
    return ExpectationConfiguration(type=entry["type"], kwargs=kwargs).to_domain_obj()


def _queries(batch: Batch, metric: Any) -> list[Any]:
    """The queries for offending rows that computing a metric comes to."""
    from great_expectations.validator.metrics_calculator import MetricsCalculator

    engine = batch.engine
    with _recorded(engine) as queries:
        MetricsCalculator(engine).compute_metrics([metric])
    return queries


class _Nothing:
    """What a query that was not run has found."""

    def fetchall(self) -> list[Any]:
        return []

    def fetchmany(self, _: int) -> list[Any]:
        return []


@contextmanager
def _recorded(engine: Any) -> Iterator[list[Any]]:
    """Keep the queries for offending rows and answer them with nothing; others (a mean, say) are run."""
    queries: list[Any] = []
    run = engine.execute_query

    def record(query: Any) -> Any:
        if getattr(query, "_limit", None) == _LIMIT or type(query).__name__ == "TextClause":
            queries.append(query)
            return _Nothing()
        return run(query)

    engine.execute_query = record
    try:
        yield queries
    finally:
        engine.execute_query = run
