"""`assay anchors`: ship them elsewhere, and find a table that was rewritten."""

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from assay.cli import app
from assay.rollout import AnchorTable, create_tables, open_database


@pytest.fixture
def table(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    monkeypatch.setenv("ASSAY_OPERATIONS_DB", url)
    engine = open_database(url)
    create_tables(engine)
    table = AnchorTable(engine)
    add(table, 1)
    add(table, 2)
    yield table
    engine.dispose()


def add(table, number):
    return table.add(
        dossier="run", model="income", number=number, kind="request", operation=None, digest=f"{number}" * 64
    )


def anchors(*arguments):
    ran = CliRunner().invoke(app, ["anchors", *map(str, arguments)])
    return ran.exit_code, ran.output


def rewrite(table):
    """Make another story of the first record, as whoever masters the database could, chain and all."""
    *_, second = before = list(table.all())
    with table.engine.begin() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("DELETE FROM anchor"))
    for each in before:
        table.add(
            dossier=each.dossier, model=each.model, number=each.number, kind=each.kind, operation=None, digest="f" * 64
        )
    return second


def test_what_was_shipped_is_added_to_and_agrees(table, tmp_path):
    file = tmp_path / "far" / "anchors.jsonl"
    assert anchors("ship", file) == (0, f"{file}: 2 anchors added; the last is 2, chain {table.last().chain}\n")
    last = add(table, 3)
    assert anchors("ship", file) == (0, f"{file}: 1 anchor added; the last is 3, chain {last.chain}\n")
    assert anchors("check", file) == (0, f"3 anchors chain without a gap, and agree with {file}\n")


def test_a_table_that_was_rewritten_whole_is_found_beside_the_file_only(table, tmp_path):
    file = tmp_path / "anchors.jsonl"
    anchors("ship", file)
    rewrite(table)
    shipped = file.read_bytes()
    code, said = anchors("check")
    assert code == 0
    assert "shows only beside a shipped file" in said
    code, said = anchors("check", file)
    assert code == 1
    assert said.count("is not the table's anchor") == 2
    assert anchors("ship", file)[0] == 2
    assert file.read_bytes() == shipped


def test_a_gap_is_found_without_a_file(table):
    with table.engine.begin() as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("DELETE FROM anchor WHERE seq = 1"))
    code, said = anchors("check")
    assert code == 1
    assert "anchor 1 is missing" in said


def test_a_file_that_is_not_there_is_one_message(table, tmp_path):
    code, said = anchors("check", tmp_path / "none.jsonl")
    assert code == 2
    assert "there is no such file" in said
