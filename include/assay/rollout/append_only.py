"""Tables whose rows nobody changes: the database itself refuses, whoever asks."""

from collections.abc import Iterable

from sqlalchemy import Connection, Table, UniqueConstraint, text

_FUNCTION = """
CREATE OR REPLACE FUNCTION assay_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the table % is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def make_append_only(connection: Connection, tables: Iterable[Table]) -> None:
    """Have the database refuse every change and deletion of rows in `tables`, also in those made long ago.

    It stops mistakes and tools, not whoever may drop a trigger: only the tables' owner may, who need not
    be the application (see `roles`), and against that owner there is the chain of the anchors with its
    copy elsewhere.
    """
    for table in tables:
        if connection.dialect.name == "postgresql":
            _guard_on_postgresql(connection, table.name)
        else:
            _guard_on_sqlite(connection, table)


def unguarded(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """Names of those of `tables`, all of them there, whose trigger is missing or disabled on PostgreSQL."""
    # tgenabled is O for a trigger that fires in ordinary sessions
    known = text(
        "SELECT 1 FROM pg_trigger WHERE tgname = :name AND tgrelid = CAST(:table AS regclass) "
        "AND tgenabled IN ('O', 'A')"
    )
    names = [table.name for table in tables]
    return [
        name for name in names if connection.execute(known, {"name": _trigger(name), "table": name}).first() is None
    ]


def _trigger(table: str) -> str:
    return f"{table}_append_only"


def _guard_on_postgresql(connection: Connection, table: str) -> None:
    known = text("SELECT 1 FROM pg_trigger WHERE tgname = :name AND tgrelid = CAST(:table AS regclass)")
    # making a trigger waits for every writer of the table, so that it is made only where there is none
    if connection.execute(known, {"name": _trigger(table), "table": table}).first() is None:
        connection.execute(text(_FUNCTION))
        connection.exec_driver_sql(
            f"CREATE TRIGGER {_trigger(table)} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION assay_append_only()"
        )


def _guard_on_sqlite(connection: Connection, table: Table) -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, 'the table {table.name} is append-only'); END"
    # INSERT OR REPLACE deletes what stands in its way without firing a trigger for the deletion
    replaces = f"WHEN EXISTS (SELECT 1 FROM {table.name} AS old WHERE {_same_row(table)}) "  # noqa: S608 - our own names
    for event, condition in {"UPDATE": "", "DELETE": "", "INSERT": replaces}.items():
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {table.name}_{event.lower()} BEFORE {event} ON {table.name} "
            f"FOR EACH ROW {condition}{refuse}"
        )


def _same_row(table: Table) -> str:
    """SQL that says whether a new row has a key of an old one."""
    keys = [list(table.primary_key.columns)]
    keys += [list(each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [list(each.columns) for each in table.indexes if each.unique]
    same = [" AND ".join(f"old.{column.name} = new.{column.name}" for column in key) for key in keys]
    return " OR ".join(sorted(same))
