import re
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.rollout.postgres import binaries, server

from assay.core import UnavailableError, UserError
from assay.data.origins.opening import open_origin
from assay.data.snapshots import create_snapshot
from assay.policy import Data, SqlSource

N = 40_000  # more than two pieces of what a database hands over


@pytest.fixture(scope="module")
def postgres():
    programs = binaries()
    assert programs is not None, "these tests need PostgreSQL's initdb and pg_ctl"
    with server(programs) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'shop.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    engine = create_engine(url)
    numbers = "WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n WHERE id < 39999) "
    columns = (
        "SELECT id, CASE WHEN id % 3 > 0 THEN 'yes' ELSE 'no' END AS y, "
        "CASE WHEN id < 20000 THEN NULL ELSE id / 4.0E0 END AS x, "
        "CASE WHEN id % 2 = 0 THEN 'f' ELSE 'm' END AS sex FROM n"
    )
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE people AS {numbers}{columns}"))
    engine.dispose()
    return url


@pytest.fixture
def database(filled, monkeypatch):
    monkeypatch.setenv("WAREHOUSE", filled)
    return filled


def origin_of(sql):
    return open_origin(SqlSource(sql=sql, url_env="WAREHOUSE"), base=Path())


def rows_of(sql):
    return [row for batch in origin_of(sql).batches() for row in batch.to_pylist()]


def test_a_query_becomes_a_snapshot(database, tmp_path):
    query = "SELECT id, y, x, sex FROM people ORDER BY id"
    source = SqlSource(sql=query, url_env="WAREHOUSE")
    data = Data(source=source, key="id", label="y", positive="yes", features=["x"], sensitive=["sex"])
    taken = create_snapshot(source=source, data=data, model="m", root=str(tmp_path / "root"))
    table = taken.table()
    assert table["id"].to_pylist() == list(range(N))
    assert table["x"].to_pylist() == [None if i < N // 2 else i / 4 for i in range(N)]
    assert (taken.manifest["query"], taken.manifest["source_sha256"]) == (query, None)
    again = create_snapshot(source=source, data=data, model="m", root=str(tmp_path / "root"))
    assert (again.id, again.manifest) == (taken.id, taken.manifest)


def test_rows_come_in_pieces(database):
    batches = list(origin_of("SELECT * FROM people").batches())
    assert sum(batch.num_rows for batch in batches) == N
    assert max(batch.num_rows for batch in batches) < N


def test_a_query_that_writes_is_refused_and_changes_nothing(database):
    for query in ("DELETE FROM people", "INSERT INTO people (id) VALUES (-1)"):
        with pytest.raises(UserError, match=r"source\.sql"):
            rows_of(query)
    assert rows_of("SELECT count(*) AS n FROM people") == [{"n": N}]


def test_percent_signs_and_colons_are_the_querys_own(database):
    assert rows_of("SELECT 'a:b %s' AS t FROM people WHERE y LIKE 'y%' AND id < 2") == [{"t": "a:b %s"}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "the database refuses the query"),
        ("SELECT nothing FROM people", "the database refuses the query"),
        ("SELECT id, id FROM people", "names columns twice: id"),
    ],
)
def test_a_query_that_cannot_be_used_is_told_in_one_line(database, query, message):
    with pytest.raises(UserError, match=message) as caught:
        rows_of(query)
    assert "\n" not in str(caught.value)


def test_what_postgresql_has_and_arrow_has_not(postgres, monkeypatch):
    monkeypatch.setenv("WAREHOUSE", postgres)
    found = rows_of(
        "SELECT 1.50::numeric AS n, DATE '2024-05-31' AS d, TIMESTAMP '2024-05-31 01:02:03' AS t, true AS b, "
        "'2f1e4fc0-81fd-41da-9138-a9e1f2a4c9c5'::uuid AS u, '\\x00ff'::bytea AS raw, NULL AS nothing"
    )
    assert found == [
        {
            "n": Decimal("1.50"), "d": date(2024, 5, 31), "t": datetime(2024, 5, 31, 1, 2, 3), "b": True,
            "u": "2f1e4fc0-81fd-41da-9138-a9e1f2a4c9c5", "raw": b"\x00\xff", "nothing": None,
        }
    ]  # fmt: skip


def test_sqlite_mixes_types_in_a_column_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / "x.db").touch()
    with pytest.raises(UserError, match=re.escape("a: mixes int and str (CAST it in the query to one type)")):
        rows_of("SELECT 1 AS a UNION ALL SELECT 'one'")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("", UserError, "does not name the database"),
        ("postgresql://ann:hush-hush@127.0.0.1:1/shop", UnavailableError, "cannot be reached"),
        ("nonsense hush-hush", UserError, "is no SQLAlchemy URL"),
        ("oddsql://ann:hush-hush@host/shop", UserError, "is no SQLAlchemy URL"),
        ("postgresql://ann:x@[::1:hush-hush/shop", UserError, "is no SQLAlchemy URL"),
        ("postgresql://ann:x@hush-hush@127.0.0.1/shop", UserError, "holds an @ in its password"),
        ("postgresql://ann:x@hush-hush/more@127.0.0.1/shop", UserError, "holds an @ in its password"),
        ("sqlite:////nowhere/hush-hush.db", UserError, "there is no database"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(monkeypatch, url, error, message):
    monkeypatch.setenv("WAREHOUSE", url)
    with pytest.raises(error, match=message) as caught:
        rows_of("SELECT 1")
    assert "hush-hush@" not in str(caught.value)
    assert "ann:" not in str(caught.value)


def test_what_the_manifest_says_holds_no_password(monkeypatch):
    monkeypatch.setenv("WAREHOUSE", "postgresql://ann:hush-hush@db.example:5432/shop?password=hush-hush")
    origin = origin_of("SELECT 1")
    assert origin.name == "WAREHOUSE (postgresql://db.example:5432/shop)"
    assert "hush" not in str(origin.facts)


def test_a_sqlite_file_outside_the_declared_roots_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x.db").touch()
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(UserError, match="lies outside"):
        open_origin(SqlSource(sql="SELECT 1", url_env="WAREHOUSE"), base=tmp_path, roots=[str(tmp_path / "below")])


MEMORY = """
import resource, sys
from pathlib import Path
from assay.data.origins.opening import open_origin
from assay.policy import SqlSource
query = "WITH many AS (SELECT g AS id, repeat('x', 200) AS t FROM generate_series(1, %d) AS g) SELECT * FROM many"
def peak(rows):
    source = SqlSource(sql=query % rows, url_env="WAREHOUSE")
    assert sum(batch.num_rows for batch in open_origin(source, base=Path()).batches()) == rows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = peak(40_000)
print((peak(400_000) - few) // 1024)
"""


def test_ten_times_the_rows_take_no_more_memory(postgres, monkeypatch):
    monkeypatch.setenv("WAREHOUSE", postgres)
    grown = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 30  # MB; the rows have 80
