"""What DuckDB may hold, and what it is told of files that cannot be read."""

import pytest

from assay.core import UnavailableError, UserError
from assay.gates.contract import mount as room
from assay.gates.contract.mount import as_parquet, mount


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


def test_csv_becomes_parquet_with_the_same_rows_and_types(tmp_path):
    import duckdb

    for name, text in (
        ("a.csv", "id,x,when,yes\n1,,2020-01-01,true\n2,é,2020-01-02,false\n"),
        ("b.csv", "id,x,when,yes\n3,NA,,\n"),
    ):
        (tmp_path / name).write_text(text)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with as_parquet(files) as [made]:
        mount(tmp_path / "csv.duckdb", files)
        mount(tmp_path / "parquet.duckdb", [made])
        csv, parquet = (
            connection.sql("FROM data")
            for name in ("csv", "parquet")
            for connection in [duckdb.connect(tmp_path / f"{name}.duckdb")]
        )
        assert csv.types == parquet.types
        assert csv.fetchall() == parquet.fetchall()
    assert not made.exists()


def test_parquet_is_read_where_it_is(tmp_path):
    with as_parquet([tmp_path / "a.parquet"]) as files:
        assert files == [tmp_path / "a.parquet"]


def test_a_full_disk_is_not_the_files_fault(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("id\n1\n")
    monkeypatch.setattr(room, "quoted", lambda text: "'/nowhere/at/all'" if text.endswith(".parquet") else f"'{text}'")
    with pytest.raises(UnavailableError, match="scratch file failed"), as_parquet([tmp_path / "a.csv"]):
        pass
