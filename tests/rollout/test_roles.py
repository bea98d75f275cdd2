"""The application's role uses the tables of another and cannot change what they are; PostgreSQL itself refuses."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select, text
from sqlalchemy.exc import DBAPIError
from tests.rollout.conftest import POSTGRES
from tests.rollout.test_append_only import example

from assay.core import UserError
from assay.rollout import AnchorTable, create_tables, open_database
from assay.rollout.database import reading, writing
from assay.rollout.roles import grant_tables
from assay.rollout.tables import ANCHOR, APPEND_ONLY, APPLICATION_RIGHTS, DATABASE_ID, METADATA

pytestmark = pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL's initdb was not found")
INCLUDE = Path(__file__).resolve().parents[2] / "include"


def a_row(table):
    """Values for a row; the database numbers it where it does."""
    numbered = table.autoincrement_column
    return {
        name: value if table.columns[name].type.python_type is not bool else True
        for name, value in example(table).items()
        if numbered is None or name != numbered.name
    }


@contextmanager
def engine_of(url, **given):
    engine = open_database(url, **given)
    try:
        yield engine
    finally:
        engine.dispose()


def user(url):
    return str(make_url(url).username)


@pytest.fixture
def granted(parted):
    with engine_of(parted.owner) as engine:
        grant_tables(engine, application=user(parted.application), readers=[user(parted.signer)])
    return parted


@pytest.fixture
def filled(granted):
    """With a row in every table, which the application put there."""
    with engine_of(granted.application) as engine:
        create_tables(engine)  # as every process of the application does
        with writing(engine) as connection:
            for table in METADATA.sorted_tables:
                if table is not DATABASE_ID:  # it has its one row
                    connection.execute(insert(table).values(a_row(table)))
    return granted


def rows(url):
    with engine_of(url) as engine, reading(engine) as connection:
        return {table.name: connection.execute(select(table)).all() for table in METADATA.sorted_tables}


OFF = "CREATE OR REPLACE FUNCTION assay_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
OF_TABLE = (
    "ALTER TABLE {table} DISABLE TRIGGER {table}_append_only",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} ADD COLUMN more text",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "ALTER TABLE {table} RENAME TO other",
    "DROP TRIGGER {table}_append_only ON {table}",
    "CREATE TRIGGER own BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION assay_append_only()",
    "CREATE RULE own AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "DROP TABLE {table} CASCADE",
    "TRUNCATE {table} CASCADE",
    "DELETE FROM {table}",
    "UPDATE {table} SET {column} = {column}",
    "INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {column} = ''",
    "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
)
OF_DATABASE = (
    "SET session_replication_role = replica",
    OFF,
    "ALTER FUNCTION assay_append_only() OWNER TO CURRENT_USER",
    "DROP FUNCTION assay_append_only() CASCADE",
    "CREATE TABLE public.own (x int)",
    "DROP SCHEMA public CASCADE",
    "DROP OWNED BY {owner} CASCADE",
    "REASSIGN OWNED BY {owner} TO CURRENT_USER",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "GRANT {owner} TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER DATABASE {database} SET session_replication_role = replica",
    "SELECT setval('move_id_seq', 1000)",
)


def attacks():
    for table in APPEND_ONLY:
        key = ", ".join(column.name for column in table.primary_key.columns)
        for each in OF_TABLE:
            yield each.format(table=table.name, key=key, column=list(table.columns)[-1].name)


def assert_refused(url, statements, **names):
    with engine_of(url) as engine:
        for statement in statements:
            with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
                connection.execute(text(statement.format(**names)))
            said = str(refused.value.orig)
            assert any(each in said for each in ("permission denied", "must ", "only")), (
                statement,
                said,
            )


def test_no_statement_of_the_application_changes_what_is_append_only(filled):
    before = rows(filled.owner)
    names = {"owner": user(filled.owner), "database": make_url(filled.owner).database}
    for url in (filled.application, filled.signer):
        assert_refused(url, attacks())
        assert_refused(url, OF_DATABASE, **names)
    assert rows(filled.owner) == before
    with engine_of(
        filled.application
    ) as engine:  # and the guard is as it was: the owner's own statement is refused too
        create_tables(engine)
    with (
        engine_of(filled.owner) as engine,
        pytest.raises(DBAPIError, match="append-only"),
        writing(engine) as connection,
    ):
        connection.execute(ANCHOR.delete())


def test_nothing_at_all_is_deleted_and_only_what_moves_is_updated(filled):
    with engine_of(filled.application) as engine:
        for table in METADATA.sorted_tables:
            with pytest.raises(DBAPIError, match="permission denied"), writing(engine) as connection:
                connection.execute(table.delete())
            column = list(table.columns)[-1]
            change = table.update().values({column.name: column})
            if "UPDATE" in APPLICATION_RIGHTS[table]:
                with writing(engine) as connection:
                    connection.execute(change)
            else:
                with pytest.raises(DBAPIError, match="permission denied"), writing(engine) as connection:
                    connection.execute(change)


def test_the_signer_reads_the_anchors_and_nothing_else(filled):
    with engine_of(filled.signer, read_only=True) as engine:
        assert [anchor.seq for anchor in AnchorTable(engine).of("x")] == [1]
        with pytest.raises(DBAPIError, match="read-only transaction"), writing(engine) as connection:
            connection.execute(insert(ANCHOR).values(example(ANCHOR)))
        for table in METADATA.sorted_tables:
            if table is not ANCHOR:
                with pytest.raises(DBAPIError, match="permission denied"), reading(engine) as connection:
                    connection.execute(select(table))


def test_every_table_has_its_rights():
    assert set(APPLICATION_RIGHTS) == set(METADATA.sorted_tables)
    for table in APPEND_ONLY:
        assert set(APPLICATION_RIGHTS[table]) == {"SELECT", "INSERT"}


def test_an_application_that_may_not_make_tables_says_what_to_run(parted):
    with engine_of(parted.application) as engine:
        with pytest.raises(UserError, match=r"anchor: is not there \(run as the tables' owner: assay database init\)"):
            create_tables(engine)
        with engine_of(parted.owner) as owner:
            grant_tables(owner, application=user(parted.application))
            create_tables(engine)
            with owner.begin() as connection:
                connection.execute(text("ALTER TABLE anchor DISABLE TRIGGER ALL"))
            with pytest.raises(UserError, match=r"anchor: can be changed: its trigger is off"):
                create_tables(engine)
            grant_tables(owner, application=user(parted.application))
        create_tables(engine)


def test_tables_that_the_application_made_are_taken_over(parted):
    application, owner = user(parted.application), user(parted.owner)
    with engine_of(parted.superuser) as engine, engine.begin() as connection:
        connection.execute(text(f"GRANT CREATE ON SCHEMA public TO {application}"))
    with engine_of(parted.application) as engine:
        create_tables(engine)
        with writing(engine) as connection:
            connection.execute(insert(ANCHOR).values(example(ANCHOR)))
    said = pytest.raises(UserError, match=r"the operations database: must be (owner of|able to SET ROLE)")
    with engine_of(parted.owner) as engine, said:
        grant_tables(engine, application=application)
    with engine_of(parted.superuser) as engine, engine.begin() as connection:
        connection.execute(text(f"REASSIGN OWNED BY {application} TO {owner}"))
    with engine_of(parted.owner) as engine:
        grant_tables(engine, application=application)
    assert len(rows(parted.owner)["anchor"]) == 1
    assert_refused(parted.application, attacks())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER ROLE {application} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {application} CREATEROLE", "may make roles"),
        ("ALTER ROLE {application} REPLICATION", "may replicate"),
        ("GRANT {owner} TO {application}", "is the owner of the tables, or a member"),
        ("ALTER DATABASE {database} OWNER TO {application}", "owns the database"),
        ("GRANT pg_write_all_data TO {application}", "writes whatever it likes"),
    ],
)
def test_a_role_that_could_do_more_anyway_is_told(parted, change, said):
    names = {each: user(getattr(parted, each)) for each in ("owner", "application")}
    with engine_of(parted.superuser) as engine, engine.begin() as connection:
        connection.execute(text(change.format(**names, database=make_url(parted.owner).database)))
    with engine_of(parted.owner) as engine, pytest.raises(UserError) as refused:
        grant_tables(engine, application=names["application"], readers=["nobody_here"])
    assert said in str(refused.value)
    assert "nobody_here: there is no such role" in str(refused.value)
    with engine_of(parted.superuser) as engine, engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {make_url(parted.owner).database} OWNER TO {names['owner']}"))


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "assay", "database", "init", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(INCLUDE), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_makes_them_and_can_be_run_again(parted, tmp_path):
    roles = ["--application", user(parted.application), "--reader", user(parted.signer)]
    given = {"ASSAY_HOME": str(tmp_path), "ASSAY_OPERATIONS_DB": parted.application}
    refused = command(*roles, **given)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "ASSAY_OPERATIONS_OWNER_DB: is not set" in refused.stderr
    for _ in range(2):
        made = command(*roles, **given, ASSAY_OPERATIONS_OWNER_DB=parted.owner)
        assert made.returncode == 0, made.stderr
    assert f"{user(parted.signer)} may read the anchors" in made.stdout
    assert_refused(parted.application, attacks())


def test_sqlite_has_no_roles_and_the_command_says_so(tmp_path):
    made = command(ASSAY_HOME=str(tmp_path), ASSAY_OPERATIONS_DB=f"sqlite:///{tmp_path / 'operations.db'}")
    assert made.returncode == 0, made.stderr
    assert "has no roles" in made.stdout
