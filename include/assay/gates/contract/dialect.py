"""What Great Expectations does not know of DuckDB: connections that stay open, LIKE, cheap repeats and medians."""

import importlib
import logging
import os
import warnings
from typing import Any

_LIKE = ("match_like_pattern", "match_like_pattern_list", "not_match_like_pattern", "not_match_like_pattern_list")


class _Dialect(str):
    """A dialect's name that has a `value`, as the entries of Great Expectations' list have."""

    @property
    def value(self) -> str:
        return str(self)


def great_expectations() -> Any:
    """The module, quiet, offline, and able to speak to DuckDB.

    It closes a connection before it fetches from it unless the dialect is on its own list of those that
    keep theirs; DuckDB is not on it, and every expectation then fails with *list index out of range*.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # What goes wrong comes back as exception_info; on stderr Airflow would show it as errors of its own.
    # Some of its loggers set their own level, so a level here would not do.
    log = logging.getLogger("great_expectations")
    log.propagate = False
    log.handlers = [logging.NullHandler()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own imports of what Python deprecates
        import great_expectations as gx
        from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    known: tuple[Any, ...] = engine._PERSISTED_CONNECTION_DIALECTS
    if "duckdb" not in known:
        vars(engine)["_PERSISTED_CONNECTION_DIALECTS"] = (*known, _Dialect("duckdb"))
        _teach_like()
        _teach_values()
    return gx


def _teach_like() -> None:
    """LIKE is the same in every SQL, but is only written for the dialects that Great Expectations names."""
    for name in _LIKE:
        module = importlib.import_module(
            f"great_expectations.expectations.metrics.column_map_metrics.column_values_{name}"
        )
        vars(module)["get_dialect_like_pattern_expression"] = _like


def _like(column: Any, dialect: Any, like_pattern: str, positive: bool = True, escape: str | None = None) -> Any:
    found = column.like(like_pattern, escape=escape)
    return found if positive else ~found


def _teach_values() -> None:
    """Count repeated values by a GROUP BY, and take DuckDB's median: both are otherwise read off the sorted column."""
    from great_expectations.core.metric_function_types import MetricFunctionTypes
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.metrics.column_aggregate_metrics.column_median import ColumnMedian
    from great_expectations.expectations.metrics.column_map_metrics.column_values_unique import ColumnValuesUnique
    from great_expectations.expectations.registry import register_metric

    for name, owner, provider in (
        ("column_values.unique.unexpected_count", ColumnValuesUnique, _repeats),
        ("column.median", ColumnMedian, _median),
    ):
        register_metric(
            metric_name=name,
            metric_domain_keys=("batch_id", "table", "column", "row_condition", "condition_parser"),
            metric_value_keys=(),
            execution_engine=SqlAlchemyExecutionEngine,
            metric_class=owner,
            metric_provider=provider,
            metric_fn_type=MetricFunctionTypes.VALUE,
        )


def _repeats(cls: Any, *, execution_engine: Any, metric_domain_kwargs: dict[str, Any], **_: Any) -> int:
    import sqlalchemy as sa

    column: Any = sa.column(metric_domain_kwargs["column"])
    rows = _rows(execution_engine, metric_domain_kwargs)
    times = sa.func.count().label("times")
    repeated = sa.select(times).select_from(rows).where(column.is_not(None)).group_by(column).having(times > 1)
    total = sa.select(sa.func.coalesce(sa.func.sum(repeated.subquery().c.times), 0))
    return int(execution_engine.execute_query(total).fetchall()[0][0])


def _median(cls: Any, *, execution_engine: Any, metric_domain_kwargs: dict[str, Any], **_: Any) -> Any:
    from assay.gates.contract.median import median

    rows = _rows(execution_engine, metric_domain_kwargs)
    return median(metric_domain_kwargs["column"], rows, lambda query: execution_engine.execute_query(query).fetchall())


def _rows(execution_engine: Any, domain: dict[str, Any]) -> Any:
    from great_expectations.util import get_sqlalchemy_selectable

    return get_sqlalchemy_selectable(execution_engine.get_domain_records(domain_kwargs=domain))
