"""Anchors: each record once, no gap, one chain, whoever writes and however many."""

import subprocess
import sys

import pytest
from sqlalchemy import event

from assay.core import Anchors, AnchorTakenError, AssayError, UnavailableError
from assay.rollout import AnchorTable, create_tables, open_database

# Eight of these write to one dossier of their own and, for every place of it anew, to one that they share.
WRITE = """
import sys
from assay.core import AnchorTakenError
from assay.rollout import AnchorTable, open_database
table, me = AnchorTable(open_database(sys.argv[1])), sys.argv[2]
for n in range(1, 11):
    table.add(dossier=me, model="income", number=n, kind="x", operation=None, digest=f"{me} {n}")
won = 0
while won < 5:
    number = len(table.of("shared")) + 1
    try:
        table.add(dossier="shared", model="income", number=number, kind="x", operation=None, digest=f"{me} {number}")
        won += 1
    except AnchorTakenError:
        pass
"""


@pytest.fixture
def table(rollouts):
    return AnchorTable(rollouts.engine)


def add(table, number, *, dossier="d", operation=None, digest=None):
    return table.add(
        dossier=dossier, model="income", number=number, kind="event", operation=operation,
        digest=digest or f"{dossier} {number}",
    )  # fmt: skip


def test_anchors_come_back_in_order_and_chained(table):
    anchors: Anchors = table
    assert (table.last(), anchors.of("d"), list(table.all()), table.check()) == (None, [], [], [])
    one, other, two = add(table, 1), add(table, 1, dossier="e", operation="op"), add(table, 2, operation="op")
    assert [each.seq for each in (one, other, two)] == [1, 2, 3]
    assert anchors.of("d") == [one, two]
    assert anchors.of("e") == [other]
    assert list(table.all()) == [one, other, two]
    assert list(table.all(after=2)) == [two]
    assert table.last() == two
    assert (one.chain, two.chain) == (one.chained(None), two.chained(other.chain))
    assert table.check() == []


def test_the_same_record_again_is_the_same_anchor(table):
    first = add(table, 1, operation="op")
    add(table, 2)
    assert add(table, 1, operation="op") == first
    assert len(table.of("d")) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"number": 1, "digest": "another"},
        {"number": 2, "digest": "d 1", "operation": "op"},
        {"number": 2, "digest": "another", "operation": "op"},
        {"number": 7, "digest": "another", "operation": "op"},
    ],
)
def test_a_place_or_an_operation_is_taken_once(table, other):
    add(table, 1, operation="op")
    with pytest.raises(AnchorTakenError, match="dossier d: another writer"):
        add(table, **other)
    assert len(table.of("d")) == 1


@pytest.mark.parametrize("number", [0, -1, 3, 9])
def test_a_gap_is_refused(table, number):
    add(table, 1)
    with pytest.raises(AssayError, match=f"record {number} cannot be anchored before"):
        add(table, number)
    assert len(table.of("d")) == 1


def test_order_is_the_chains_though_the_clock_goes_backwards(rollouts):
    times = iter(["2030-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"])
    table = AnchorTable(rollouts.engine, clock=lambda: next(times))
    assert [add(table, 1).at, add(table, 2).at] == ["2030-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"]
    assert [each.number for each in table.of("d")] == [1, 2]
    assert table.check() == []


def test_processes_that_write_at_once_leave_no_gap_and_no_double(rollouts):
    url = rollouts.engine.url.render_as_string(hide_password=False)
    names = [f"p{i}" for i in range(8)]
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE, url, name], stderr=subprocess.PIPE, text=True) for name in names
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, errors
    table = AnchorTable(rollouts.engine)
    assert table.check() == []
    assert [anchor.seq for anchor in table.all()] == list(range(1, 8 * 15 + 1))
    assert [anchor.number for anchor in table.of("shared")] == list(range(1, 8 * 5 + 1))
    for name in names:
        assert [anchor.digest for anchor in table.of(name)] == [f"{name} {n}" for n in range(1, 11)]


def test_no_look_reads_the_whole_table(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    table, looks = AnchorTable(engine), []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, sql, values, *_: looks.append((sql, values)))
    add(table, 1, operation="op")
    assert [sql.split()[0] for sql, _ in looks] == ["BEGIN", "SELECT", "SELECT", "INSERT"]
    looks.clear()
    table.of("d")
    assert [sql.split()[0] for sql, _ in looks] == ["BEGIN", "SELECT"]
    add(table, 2, operation="op 2")
    selects = [look for look in looks if look[0].startswith("SELECT")]
    with engine.connect() as connection:
        plans = [
            step.detail
            for sql, values in selects
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]
    # the last is found from the table's end, all else by its dossier
    assert [" ".join(plan.split()[:2]) for plan in plans] == ["SEARCH anchor", "SEARCH anchor", "SCAN anchor"]
    engine.dispose()


def test_a_database_that_does_not_answer_is_unavailable(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    with pytest.raises(UnavailableError):
        add(AnchorTable(engine), 1)
    engine.dispose()
