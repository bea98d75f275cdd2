"""What is append-only stays as it was written, whatever tool asks, also in a database made before that was so."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from assay.rollout import create_tables, open_database
from assay.rollout.database import reading, writing
from assay.rollout.tables import ANCHOR, APPEND_ONLY, ATTEMPT, DATABASE_ID, METADATA, MOVE, WAIVER

CHANGES = {
    "update": "UPDATE {table} SET {column} = {column}",
    "delete": "DELETE FROM {table} WHERE {column} = {column}",
    "delete all": "DELETE FROM {table}",
}
OF_DIALECT = {
    "sqlite": {"replace": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}"},
    "postgresql": {
        "replace": "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {column} = ''",
        "truncate": "TRUNCATE {table} CASCADE",
    },
}


def example(table):
    return {each.name: 1 if each.type.python_type is int else "x" for each in table.columns if not each.nullable}


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
def test_no_statement_changes_or_deletes(owned, table):
    engine = owned.engine
    with writing(engine) as connection:
        connection.execute(insert(table).values(example(table)))
    with reading(engine) as connection:
        before = connection.execute(select(table)).all()
    key = ", ".join(column.name for column in table.primary_key.columns)
    for change in (CHANGES | OF_DIALECT[engine.dialect.name]).values():
        statement = change.format(table=table.name, key=key, column=list(table.columns)[-1].name)
        refused = pytest.raises(IntegrityError, match=f"the table {table.name} is append-only")
        with refused, writing(engine) as connection:
            connection.execute(text(statement))
    with reading(engine) as connection:
        assert connection.execute(select(table)).all() == before


def test_tables_made_before_are_guarded_too_and_keep_their_rows(owned):
    engine = owned.engine
    tables = [table for table in METADATA.sorted_tables if table is not DATABASE_ID]
    METADATA.drop_all(engine, tables)
    METADATA.create_all(engine)  # without a trigger
    for table in APPEND_ONLY:
        with writing(engine) as connection:
            connection.execute(insert(table).values(example(table)))
    for _ in range(2):  # making them again changes nothing
        create_tables(engine)
    for table in APPEND_ONLY:
        with pytest.raises(IntegrityError, match="append-only"), writing(engine) as connection:
            connection.execute(table.delete())
        with reading(engine) as connection:
            assert len(connection.execute(select(table)).all()) == 1


def test_a_row_that_is_there_is_not_replaced_by_one_of_its_keys(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    for table in (MOVE, ANCHOR, WAIVER):
        row = example(table)
        with writing(engine) as connection:
            connection.execute(insert(table).values(row))
        (key,) = table.primary_key.columns
        other_key = insert(table).prefix_with("OR REPLACE").values({**row, key.name: 2})
        with pytest.raises(IntegrityError, match="append-only"), writing(engine) as connection:
            connection.execute(other_key)
    with writing(engine) as connection:
        connection.execute(insert(ATTEMPT).values(example(ATTEMPT)))
    other_candidate = insert(ATTEMPT).prefix_with("OR REPLACE").values({**example(ATTEMPT), "candidate": "y"})
    with pytest.raises(IntegrityError, match="append-only"), writing(engine) as connection:
        connection.execute(other_candidate)
    engine.dispose()
