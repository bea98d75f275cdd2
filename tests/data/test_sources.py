import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core import UserError
from assay.data.sources import column_names, glimpse, read_columns, read_counts, read_table


def problems(caught):
    return [str(problem) for problem in caught.value.problems]


def test_csv_and_parquet_hold_the_same_table(tmp_path):
    table = pa.table({"id": [1, 2], "t": ["a", None], "n": [None, 2.5], "b": [True, False]})
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("id,t,n,b\n1,a,,true\n2,NA,2.5,false\n")
    assert read_table(tmp_path / "t.csv").equals(read_table(tmp_path / "t.parquet"))
    for name in ("t.csv", "t.parquet"):
        assert column_names(tmp_path / name) == ["id", "t", "n", "b"]
        assert read_columns(tmp_path / name, ["n", "id"]).equals(table.select(["n", "id"]))


def test_rows_are_counted(tmp_path):
    table = pa.table(
        {"t": ["a", None, "a", "b", None], 'odd"name': [1, 2, 1, 1, 2], "times": [0, 0, 0, 0, 0], "x": range(5)}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found, times = read_counts(tmp_path / "t.parquet", ["t", 'odd"name', "times"])
    lines = zip(*(found[name].to_pylist() for name in found.column_names), times.tolist(), strict=True)
    assert set(lines) == {("a", 1, 0, 2), (None, 2, 0, 2), ("b", 1, 0, 1)}
    (tmp_path / "t.csv").write_text("t,n\na,1\na,1\n")
    found, times = read_counts(tmp_path / "t.csv", ["n"])
    assert (found.to_pydict(), times.tolist()) == ({"n": [1, 1]}, [1, 1])


def test_names_that_differ_in_case_alone_are_two_columns(tmp_path):
    pq.write_table(pa.table({"sex": ["f", "f"], "SEX": [1, 2]}), tmp_path / "t.parquet")
    found, times = read_counts(tmp_path / "t.parquet", ["SEX"])
    assert (found.to_pydict(), times.tolist()) == ({"SEX": [1, 2]}, [1, 1])


def test_a_quoted_na_is_text(tmp_path):
    (tmp_path / "t.csv").write_text('id,country\n1,"NA"\n2,\n')
    assert read_table(tmp_path / "t.csv")["country"].to_pylist() == ["NA", None]


def test_a_glimpse_is_of_rows_from_all_over_a_parquet_file(tmp_path):
    rows = pa.table({"at": range(200_000), "other": range(200_000)})
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=10_000)
    seen = glimpse(tmp_path / "t.parquet", ["at"])
    assert seen.column_names == ["at"]
    assert 0 < len(seen) < 200_000
    assert {value // 50_000 for value in seen["at"].to_pylist()} == {0, 1, 2, 3}


def test_there_is_no_glimpse_of_what_is_read_whole_or_is_not_there(tmp_path):
    rows = pa.table({"at": [1, 2]})
    pq.write_table(rows.slice(0, 0), tmp_path / "none.parquet")
    (tmp_path / "t.csv").write_text("at\n1\n")
    assert glimpse(tmp_path / "none.parquet", ["at"]) is None
    assert glimpse(tmp_path / "none.parquet", ["other"]) is None
    assert glimpse(tmp_path / "t.csv", ["at"]) is None
    with pytest.raises(UserError, match="no such file"):
        glimpse(tmp_path / "t.parquet", ["at"])


@pytest.mark.parametrize(
    "read", [read_table, column_names, lambda path: read_columns(path, ["id"]), lambda path: read_counts(path, ["id"])]
)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "no such file"),
        ("t.xlsx", b"PK", "neither .csv nor .parquet"),
        ("t.csv", b"", "is empty"),
        ("t.parquet", b"", "is empty"),
        ("t.parquet", b"PAR1 this is no Parquet file at all PAR1", "cannot be read as Parquet"),
    ],
)
def test_what_is_no_data_file_is_said_in_one_line(tmp_path, read, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    pq.write_table(pa.table({"id": list(range(10_000))}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_table(tmp_path / "t.parquet")


def test_a_broken_csv_row_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("id,a\n1,2\n3,4,5\n")
    with pytest.raises(UserError, match="Row #3"):
        read_table(tmp_path / "t.csv")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"id,a\n1,caf\xe9\n")
    with pytest.raises(UserError, match='"a" is not UTF-8'):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_without_rows_is_refused(tmp_path, name):
    (tmp_path / "t.csv").write_text("id,a\n")
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="has no rows"):
        read_table(tmp_path / name)


def test_a_column_named_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("id,a,a\n1,2,3\n")
    with pytest.raises(UserError, match="twice: a"):
        read_table(tmp_path / "t.csv")


def test_every_missing_column_is_named_with_the_nearest(tmp_path):
    (tmp_path / "t.csv").write_text("id,gender,age\n1,f,3\n")
    with pytest.raises(UserError) as caught:
        read_columns(tmp_path / "t.csv", ["id", "gendr", "agee"])
    assert problems(caught) == [
        'gendr: no such column (did you mean "gender"?)',
        'agee: no such column (did you mean "age"?)',
    ]


def test_a_file_without_columns_is_a_mistake(tmp_path):
    pq.write_table(pa.table({}), tmp_path / "t.parquet")
    for read in (column_names, read_table):
        with pytest.raises(UserError, match=r"has no (columns|rows)"):
            read(tmp_path / "t.parquet")
