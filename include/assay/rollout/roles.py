"""PostgreSQL: tables that belong to one role, and are used by another that cannot change what they are.

A trigger refuses to change an append-only table, and its owner may drop the trigger. So the application,
whose password every task has, is not the owner.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import ProgrammingError

from assay.core import Problem, UserError, problem
from assay.rollout.append_only import make_append_only, unguarded
from assay.rollout.database import TABLES_LOCK, advisory_lock, writing
from assay.rollout.database_file import identify
from assay.rollout.tables import APPEND_ONLY, APPLICATION_RIGHTS, METADATA, READER_RIGHTS

_ROLE = """
SELECT rolsuper, rolcreaterole, rolreplication, pg_has_role(oid, current_user, 'MEMBER') AS owner,
  oid = (SELECT datdba FROM pg_database WHERE datname = current_database()) AS database,
  EXISTS (SELECT 1 FROM pg_roles AS other WHERE other.rolname IN
    ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')
    AND pg_has_role(role.oid, other.oid, 'MEMBER')) AS beyond
FROM pg_roles AS role WHERE rolname = :role
"""
_TOO_MUCH = {
    "rolsuper": "is a superuser, whom nothing stops",
    "rolcreaterole": "may make roles, and so become another one",
    "rolreplication": "may replicate, and so read and change everything",
    "owner": "is the owner of the tables, or a member of that role",
    "database": "owns the database, and so may drop what is in it",
    "beyond": "is a member of a role that writes whatever it likes",
}


def grant_tables(engine: Engine, *, application: str, readers: Sequence[str] = ()) -> None:
    """Make tables and triggers as their owner, and give other roles no more than they need.

    Doing it again changes nothing. Tables that the application made itself become the owner's.

    Parameters
    ----------
    engine
        Connected as the owner.
    application
        The role of tasks, gateway and commands.
    readers
        Roles that read the anchors only, such as the signer's.

    Raises
    ------
    UserError
        Listing every role that is not there, or could do more than it is given here.
    UnavailableError
        When the database does not answer.
    """
    if engine.dialect.name != "postgresql":
        raise problem("ASSAY_OPERATIONS_OWNER_DB", "is not PostgreSQL's", "other databases have no roles to part")
    try:
        with writing(engine) as connection:
            advisory_lock(connection, TABLES_LOCK)
            _check_roles(connection, [application, *readers])
            _take_over(connection)
            METADATA.create_all(connection)
            make_append_only(connection, APPEND_ONLY)
            for table in unguarded(connection, APPEND_ONLY):
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER {table}_append_only")
            identify(connection)
            _grant(connection, application, APPLICATION_RIGHTS)
            for reader in readers:
                _grant(connection, reader, READER_RIGHTS)
    except ProgrammingError as error:
        mend = "connect as the owner; tables of another role are taken over by who is a member of that role"
        raise problem("the operations database", str(error.orig).strip().splitlines()[0], mend) from error


def _check_roles(connection: Connection, roles: Sequence[str]) -> None:
    wrong = []
    for role in roles:
        found = connection.execute(text(_ROLE), {"role": role}).mappings().one_or_none()
        if found is None:
            mend = "make it with CREATE ROLE ... LOGIN"
            wrong.append(Problem(path=role, message="there is no such role", mend=mend))
        else:
            wrong += [Problem(path=role, message=said) for name, said in _TOO_MUCH.items() if found[name]]
    if wrong:
        raise UserError("roles", wrong)


def _take_over(connection: Connection) -> None:
    """Become the owner of tables, and of the triggers' function, that another role made."""
    owned = text(
        "SELECT relname FROM pg_class WHERE relname = ANY(:names) AND pg_table_is_visible(oid) "
        "AND pg_get_userbyid(relowner) <> current_user"
    )
    for name in connection.execute(owned, {"names": list(METADATA.tables)}).scalars().all():
        connection.exec_driver_sql(f"ALTER TABLE {name} OWNER TO CURRENT_USER")
    function = text(
        "SELECT 1 FROM pg_proc WHERE proname = 'assay_append_only' AND pg_function_is_visible(oid) "
        "AND pg_get_userbyid(proowner) <> current_user"
    )
    if connection.execute(function).first() is not None:
        connection.exec_driver_sql("ALTER FUNCTION assay_append_only() OWNER TO CURRENT_USER")


def _grant(connection: Connection, role: str, rights: Mapping[Table, Sequence[str]]) -> None:
    """Take everything from a role, and from everybody, and give it these rights."""
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(str(connection.execute(text("SELECT current_schema()")).scalar_one()))
    name = quote(role)
    statements = [f"REVOKE ALL ON SCHEMA {schema} FROM {name}", f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"]
    for table in METADATA.sorted_tables:
        statements.append(f"REVOKE ALL ON {table.name} FROM {name}, PUBLIC")
    statements += [
        f"REVOKE ALL ON SEQUENCE {each} FROM {name}, PUBLIC" for each in _sequences(connection, METADATA.sorted_tables)
    ]
    statements.append(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    statements += [f"GRANT {', '.join(some)} ON {table.name} TO {name}" for table, some in rights.items()]
    inserting = [table for table, some in rights.items() if "INSERT" in some]
    statements += [f"GRANT USAGE ON SEQUENCE {each} TO {name}" for each in _sequences(connection, inserting)]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _sequences(connection: Connection, tables: Sequence[Table]) -> list[str]:
    """Those from which the tables' columns are numbered."""
    query = text("SELECT pg_get_serial_sequence(:table, :column)")
    found = [
        connection.execute(query, {"table": table.name, "column": column.name}).scalar_one()
        for table in tables
        for column in table.primary_key
    ]
    return sorted({str(each) for each in found if each is not None})
