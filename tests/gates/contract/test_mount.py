"""What DuckDB may hold, and what it is told of files that cannot be read."""

import pytest

from assay.core import UnavailableError, UserError
from assay.gates.contract import mount as room
from assay.gates.contract.mount import mount


@pytest.fixture
def wide(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{n}" for n in range(1000)) + "\n" + ",".join(["1"] * 1000) + "\n")
    return path


def test_a_wide_table_is_given_more_room(tmp_path, wide, monkeypatch):
    monkeypatch.setattr(room, "_MEMORY", 10)
    columns, rows = mount(tmp_path / "a.duckdb", [wide])
    assert (len(columns), rows) == (1000, 1)
    monkeypatch.setattr(room, "_PER_COLUMN", 0)
    with pytest.raises(UnavailableError, match="Out of Memory"):
        mount(tmp_path / "b.duckdb", [wide])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.csv": 'id\n"1\n'}, "the row that begins in line 2 of a.csv has a broken quote"),
        ({"a.csv": "id\n1\n", "b.csv": 'id\n1\n\n2"2\n"3"3\n'}, "the row that begins in line 5 of b.csv"),
        ({"a.parquet": "PAR1"}, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, files, said):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        mount(tmp_path / "c.duckdb", [tmp_path / name for name in files])
