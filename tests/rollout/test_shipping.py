"""The copy elsewhere grows with the table, and disagrees with one that was rewritten."""

import json
import random
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from assay.core import AssayError, UnavailableError, UserError, canonical_json
from assay.rollout import AnchorTable, create_tables, disagreements, open_database, read_shipped, ship
from assay.rollout.anchors import doubts
from assay.rollout.database import writing
from assay.rollout.tables import ANCHOR

SHIP = """
import sys
from pathlib import Path
from assay.rollout import AnchorTable, open_database, ship
table = AnchorTable(open_database(sys.argv[1]))
print("ready", flush=True)
for n in range(1, int(sys.argv[4]) + 1):
    table.add(dossier=sys.argv[3], model="income", number=n, kind="x", operation=None, digest=str(n))
    ship(table, Path(sys.argv[2]))
"""


def lengthen(table, *dossiers):
    for dossier in dossiers:
        table.add(
            dossier=dossier, model="income", number=len(table.of(dossier)) + 1, kind="event", operation=None,
            digest="0" * 64,
        )  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A table of six anchors and its copy, as bytes; read only."""
    folder = tmp_path_factory.mktemp("shipping")
    engine = open_database(f"sqlite:///{folder / 'operations.db'}")
    create_tables(engine)
    table = AnchorTable(engine)
    lengthen(table, "d", "e", "d", "d", "f", "e")
    ship(table, folder / "anchors.jsonl")
    yield table, folder / "file", (folder / "anchors.jsonl").read_bytes()
    engine.dispose()


@pytest.fixture
def table(rollouts):
    return AnchorTable(rollouts.engine)


@pytest.fixture
def owned_table(owned):
    return AnchorTable(owned.engine)


def shipper(table, file, dossier, records):
    """A process that adds records to a dossier and ships after each."""
    url = table.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", SHIP, url, str(file), dossier, str(records)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def rewrite(table, anchors):
    """What a master of the database may do: put other rows in the table's place."""
    with writing(table.engine) as connection:
        ANCHOR.drop(connection)
        ANCHOR.create(connection)
        if anchors:
            connection.execute(insert(ANCHOR), [anchor.to_dict() for anchor in anchors])


def chained(anchors):
    """The anchors with the numbers and the chain that make them whole again."""
    whole, last = [], None
    for seq, anchor in enumerate(anchors, 1):
        anchor = replace(anchor, seq=seq)
        last = replace(anchor, chain=anchor.chained(last))
        whole.append(last)
        last = last.chain
    return whole


def test_it_appends_what_is_lacking_and_nothing_else(table, tmp_path):
    file = tmp_path / "elsewhere" / "anchors.jsonl"
    assert ship(table, file) == 0
    lengthen(table, "d", "e", "d")
    assert ship(table, file) == 3
    before = file.read_bytes()
    lengthen(table, "e")
    assert disagreements(table, file) == []  # it only lags behind
    assert ship(table, file) == 1
    assert file.read_bytes().startswith(before)
    assert ship(table, file) == 0
    assert read_shipped(file) == list(table.all())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_ship_at_once_write_each_anchor_once(table, tmp_path):
    file = tmp_path / "anchors.jsonl"
    processes = [shipper(table, file, name, 8) for name in "abcd"]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    assert ship(table, file) == 0
    assert read_shipped(file) == list(table.all())
    assert len(read_shipped(file)) == 32


def test_processes_killed_while_they_write_leave_table_and_file_whole(table, tmp_path):
    file, rng = tmp_path / "anchors.jsonl", random.Random(3)
    for round_ in range(3):
        processes = [shipper(table, file, f"{name}{round_}", 10_000) for name in "ab"]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            time.sleep(rng.uniform(0.01, 0.15))
            process.kill()
            process.communicate()
        assert table.check() == []
        ship(table, file)
        assert read_shipped(file) == list(table.all())
    assert table.last() is not None


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_file_cut_anywhere_by_a_kill_is_finished(shared, data):
    table, file, whole = shared
    length = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:length])
    assert [anchor.seq for anchor in read_shipped(file)] == list(range(1, whole[:length].count(b"\n") + 1))
    assert disagreements(table, file) == []
    ship(table, file)
    assert file.read_bytes() == whole


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_anywhere_is_refused_and_left_as_it_is(shared, data):
    table, file, whole = shared
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    file.write_bytes(changed)
    assert disagreements(table, file) != []
    with pytest.raises(UserError, match=r"line|the table"):
        ship(table, file)
    assert file.read_bytes() == changed
    if place < whole.rindex(b"\n"):  # else the last line counts as unfinished
        with pytest.raises(UserError):
            read_shipped(file)


def test_a_rewritten_table_is_refused_though_it_is_whole_in_itself(owned_table, tmp_path):
    file = tmp_path / "anchors.jsonl"
    lengthen(owned_table, "d", "e", "d", "e")
    ship(owned_table, file)
    shipped, anchors = file.read_bytes(), list(owned_table.all())
    forged = chained([replace(anchors[0], digest="1" * 64), *anchors[1:]])
    shorter = anchors[:-1]
    without_the_first = chained([anchor for anchor in anchors if anchor.dossier == "d"])
    for other in (forged, shorter, without_the_first, []):
        rewrite(owned_table, other)
        assert owned_table.check() == []
        with pytest.raises(UserError, match=r"anchors.jsonl"):
            ship(owned_table, file)
        assert file.read_bytes() == shipped
    assert [each.path for each in disagreements(owned_table, file)] == ["line 1", "line 2", "line 3", "line 4"]
    rewrite(owned_table, anchors)
    assert (ship(owned_table, file), disagreements(owned_table, file)) == (0, [])


def test_a_table_that_does_not_chain_says_where_and_is_not_shipped(owned_table, tmp_path):
    file = tmp_path / "anchors.jsonl"
    lengthen(owned_table, "d", "e", "d")
    anchors = list(owned_table.all())
    lost = "anchor 2 is missing: anchor 3 comes next"
    for other, doubt in {
        (anchors[0], replace(anchors[1], digest="1" * 64), anchors[2]): "anchor 2 (dossier e, record 1) does not chain",
        (anchors[0], anchors[2]): lost,
        (anchors[1],): "anchor 1 is missing: anchor 2 comes next",
        tuple(chained(anchors[1:])): "anchor 2 is record 2 of dossier d, not record 1",
    }.items():
        rewrite(owned_table, other)
        assert owned_table.check() == [doubt]
        with pytest.raises(UserError) as refused:
            ship(owned_table, file)
        assert doubt in str(refused.value)
        assert file.read_bytes() == b""
    assert list(doubts([anchors[2]], anchors[0])) == [lost]
    assert list(doubts([anchors[2]], anchors[1])) == []


def test_what_is_no_copy_of_anchors_is_the_users_mistake(table, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_shipped(tmp_path / "none")
    with pytest.raises(UserError, match="no such file"):
        disagreements(table, tmp_path / "none")
    lengthen(table, "d")
    good = table.of("d")[0].to_dict()
    bad = [b"{}", b"[]", b"NaN", b"\xff", canonical_json({**good, "dossier": []}), json.dumps(good).encode()]
    (tmp_path / "bad").write_bytes(b"".join(line + b"\n" for line in bad))
    with pytest.raises(UserError) as refused:
        read_shipped(tmp_path / "bad")
    assert [each.path for each in refused.value.problems] == [f"line {n}" for n in range(1, len(bad) + 1)]


def test_a_place_that_cannot_be_written_is_unavailable(table, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "anchors.jsonl"):
        with pytest.raises(UnavailableError, match="cannot be shipped"):
            ship(table, place)
    with pytest.raises(AssayError, match="cannot be read"):
        read_shipped(tmp_path)
