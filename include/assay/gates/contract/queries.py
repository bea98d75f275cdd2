"""SQL that the author of a suite wrote: it may ask of the data, and do nothing else."""

from collections.abc import Mapping
from typing import Any

from assay.gates.contract.mount import TABLE

_FILLED = ("unexpected_rows_query", "base_query")  # in these `{batch}` stands for the data
_AS_WRITTEN = ("comparison_query",)


def no_question(kwargs: Mapping[str, Any]) -> str:
    """Why an expectation's own SQL must not be run; empty where it may.

    DuckDB runs whatever statements it is given, and may write where it may read: one that is not a single SELECT
    could put other rows in the place of those that are judged, or of the file that they come from.

    Examples
    --------
    >>> no_question({"unexpected_rows_query": "SELECT * FROM {batch} WHERE age < 0"})
    ''
    >>> no_question({"unexpected_rows_query": "DELETE FROM {batch}"})
    'unexpected_rows_query must be a single SELECT'
    """
    for name in (*_FILLED, *_AS_WRITTEN):
        query = kwargs.get(name)
        if isinstance(query, str) and (why := _why_not(query, filled=name in _FILLED)):
            return f"{name} {why}"
    return ""


def _why_not(query: str, *, filled: bool) -> str:
    import duckdb
    import sqlalchemy as sa

    try:
        text = query.format(batch=sa.table(TABLE)) if filled else query
    except (KeyError, IndexError, ValueError):
        return ""  # Great Expectations cannot fill it in either, and says why
    except Exception as error:
        return f"cannot be filled in: {error}"
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        return f"is no SQL that DuckDB knows: {str(error).splitlines()[0]}"
    kinds = [statement.type for statement in statements]
    return "" if kinds in ([], [duckdb.StatementType.SELECT]) else "must be a single SELECT"
