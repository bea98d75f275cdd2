"""Batches of rows that Great Expectations can evaluate: in DuckDB, and where it cannot, in pandas."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.gates.contract.dialect import great_expectations
from assay.gates.contract.mount import TABLE, mount, scratch, settings

Entry = Mapping[str, Any]
_LONGEST = 1 << 20


@contextmanager
def silence() -> Iterator[None]:
    """Keep what Great Expectations prints off standard output, which may be where a verdict's JSON goes.

    Its warnings are of no use there either: what is outdated in a suite, such as `condition_parser`, runs
    all the same, and a column of an unusual type is looked at by DuckDB.
    """
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Rows that expectations can be validated on, and what DuckDB knows of them without asking Great Expectations.

    Attributes
    ----------
    source, gx_batch
        Great Expectations' data source and its batch over `table`.
    table
        Name of the table or view in the scratch database.
    columns, rows
        Its columns and number of rows.
    """

    source: Any
    gx_batch: Any
    table: str
    columns: Sequence[str]
    rows: int

    @property
    def engine(self) -> Any:
        """Great Expectations' SQL engine, with the batch loaded."""
        engine = self.source.get_execution_engine()
        engine.batch_manager.load_batch_list([self.gx_batch])
        return engine

    @property
    def connection(self) -> Any:
        """DuckDB's own connection, the one that the engine uses."""
        with self.source.get_execution_engine().get_connection() as connection:
            return connection.connection.driver_connection


@contextmanager
def open_batch(files: Sequence[Path]) -> Iterator[Batch]:
    """A batch over the rows of all `files` together, gone when the block ends.

    Raises
    ------
    UserError
        Listing every file that is missing, empty, or neither CSV nor Parquet; or when one cannot be read.
    UnavailableError
        When there is no room for the scratch database.
    """
    with scratch("assay-contract-") as folder, silence():
        database = folder / "contract.duckdb"
        columns, rows = mount(database, files)
        source = _context().data_sources.add_sql("contract", connection_string=f"duckdb:///{database}")
        try:
            asset = source.add_table_asset(TABLE, table_name=TABLE)
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            with source.get_execution_engine().get_connection() as connection:
                connection.dialect.max_identifier_length = _LONGEST  # else names are cut as PostgreSQL would have it
                for statement in settings(database, files):
                    connection.exec_driver_sql(statement)
            yield Batch(source=source, gx_batch=batch, table=TABLE, columns=columns, rows=rows)
        finally:
            source.get_execution_engine().close()


def other_batch(batch: Batch, table: str, rows: int) -> Batch:
    """A batch over another table of the same scratch database, with the same columns."""
    asset = batch.source.add_table_asset(table, table_name=table)
    found = asset.add_batch_definition_whole_table("all").get_batch()
    return Batch(source=batch.source, gx_batch=found, table=table, columns=batch.columns, rows=rows)


def frame_batch(frame: Any) -> Any:
    """A pandas frame as a batch of Great Expectations."""
    source = _context().data_sources.add_pandas("contract")
    definition = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")
    return definition.get_batch(batch_parameters={"dataframe": frame})


def validate(
    gx_batch: Any, entries: Mapping[int, Entry], result_format: Mapping[str, Any]
) -> dict[int, dict[str, Any]]:
    """Results of entries by their position; Great Expectations returns them in an order of its own."""
    if not entries:
        return {}
    gx = great_expectations()
    expectations = [
        {"type": entry["type"], "kwargs": dict(entry["kwargs"]), "meta": {"position": position}}
        for position, entry in entries.items()
    ]
    with silence():
        suite = gx.ExpectationSuite(name="contract", expectations=expectations)
        found = gx_batch.validate(suite, result_format=dict(result_format)).results
    return {each.expectation_config.meta["position"]: each.to_json_dict() for each in found}


def _context() -> Any:
    gx = great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context
