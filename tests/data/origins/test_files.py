import os
from datetime import datetime

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyarrow import csv

from assay.core import UnavailableError, UserError, sha256_file
from assay.data.origins.opening import open_origin
from assay.policy import DeltaSource

N = 90


def people(first=0, n=N):
    rows = range(first, first + n)
    return pa.table(
        {
            "id": list(rows),
            "sex": ["fm"[i % 2] for i in rows],
            "x": [None if i % 7 == 0 else i / 4 for i in rows],
            "at": pa.array([datetime(2024, 1, 1 + i % 28) for i in rows], pa.timestamp("us")),
        }
    )


def read(source, base, roots=()):
    origin = open_origin(source, base=base, roots=roots)
    batches = list(origin.batches())
    return pa.Table.from_batches(batches) if batches else None, origin


@pytest.fixture
def lake(tmp_path):
    table = people()
    pq.write_table(table, tmp_path / "one.parquet", row_group_size=10)
    (tmp_path / "many").mkdir()
    for at in range(3):
        pq.write_table(table.slice(at * 30, 30), tmp_path / f"many/part-{at}.parquet")
        csv.write_csv(table.slice(at * 30, 30), tmp_path / f"part-{at}.csv")
    csv.write_csv(table, tmp_path / "one.csv")
    return tmp_path


@pytest.mark.parametrize(
    "source", ["one.parquet", "many", "many/", "many/*.parquet", "many/part-[0-9].parquet", "**/part-?.parquet"]
)
def test_parquet_files_are_one_table(lake, source):
    table, origin = read(source, lake)
    assert table.equals(people())
    assert origin.rows == N


@pytest.mark.parametrize("source", ["one.csv", "part-*.csv"])
def test_csv_files_are_one_table(lake, source):
    table, _ = read(source, lake)
    assert table.cast(people().schema).equals(people())


def test_a_url_reads_as_a_path(lake):
    assert read(f"file://{lake}/one.parquet", lake)[0].equals(people())


def test_an_object_store_reads_as_a_folder(lake):
    import fsspec

    store = fsspec.filesystem("memory")
    for at in range(3):
        store.pipe(f"/lake-{lake.name}/part-{at}.parquet", (lake / f"many/part-{at}.parquet").read_bytes())
    for source in (f"memory://lake-{lake.name}", f"memory://lake-{lake.name}/part-*.parquet"):
        table, origin = read(source, lake)
        assert table.equals(people())
        assert [file["path"] for file in origin.files()] == [f"part-{at}.parquet" for at in range(3)]
    store.rm(f"/lake-{lake.name}", recursive=True)


def test_folders_named_after_values_are_columns(tmp_path):
    table = people().append_column("year", pa.array([2020 + i % 2 for i in range(N)]))
    parts = ds.partitioning(pa.schema([("year", pa.int64()), ("sex", pa.string())]), flavor="hive")
    ds.write_dataset(table, tmp_path / "lake", format="parquet", partitioning=parts)
    found, _ = read("lake", tmp_path)
    assert found.schema.names == ["id", "x", "at", "year", "sex"]
    assert found.sort_by("id").select(table.column_names).equals(table)


def test_every_file_is_recorded(lake):
    _, origin = read("many", lake)
    assert origin.files() == [
        {"path": path.name, "sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in sorted((lake / "many").iterdir())
    ]


@pytest.mark.parametrize("name", ["one.parquet", "one.csv"])
def test_a_file_that_changes_while_it_is_read_is_refused(lake, name):
    origin = open_origin(name, base=lake)
    if name == "one.csv":
        csv.write_csv(people(5), lake / name)
    else:
        pq.write_table(people(0, 80), lake / name)
    with pytest.raises(UserError, match="changed while it was read"):
        list(origin.batches()) and origin.files()


def test_files_that_are_no_one_table_are_told_apart(lake):
    other = people().rename_columns(["id", "SEX", "x", "at"]).set_column(2, "x", pa.array(["a"] * N))
    pq.write_table(other, lake / "many/part-3.parquet")
    with pytest.raises(UserError) as caught:
        open_origin("many", base=lake)
    assert [str(each).partition(" (")[0] for each in caught.value.problems] == [
        "sex: is in part-0.parquet, but not in part-3.parquet",
        "x: has type double in part-0.parquet, but string in part-3.parquet",
        "SEX: is in part-3.parquet, but not in part-0.parquet",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("on.parquet", 'on.parquet: no such file (did you mean "one.parquet"?)'),
        ("*.json", "*.json: no file has such a name"),
        ("empty", "empty: holds no .csv or .parquet file"),
        ("one.*", "one.*: mixes .csv and .parquet files (name those of one kind)"),
        ("x.txt", "x.txt: is neither .csv nor .parquet (convert the file or rename it)"),
        ("zero.csv", "zero.csv: is empty (0 bytes)"),
        ("memory://nothing/x.parquet", "memory://nothing/x.parquet: no such file"),
        ("nowhere://x.parquet", 'nowhere://x.parquet: nothing here reaches "nowhere://": Protocol not known: nowhere'),
        ("table", "table: reads files of the Delta table table, which also hold rows that were deleted (write {delta"),
        ("a\0b.csv", "a\0b.csv: is no address of files: Embedded NUL"),
        ("s3://", "s3://: names no bucket"),
        ("http://ann:hush@[db/x.csv", "http://...: "),
        ("[z-a].csv", "[z-a].csv: is no address of files: bad character range"),
        (" ", "source: is empty"),
        (DeltaSource(delta="many"), "many: there is no Delta table"),
        (DeltaSource(delta="table", version=7), "table: has no version 7; the latest is 1"),
    ],
)
def test_what_is_no_source_is_said_in_one_line(lake, source, message):
    (lake / "empty").mkdir()
    (lake / "x.txt").write_text("x")
    (lake / "zero.csv").write_text("")
    for at in range(2):
        write_deltalake(lake / "table", people(at + 1, 1), mode="append")
    with pytest.raises(UserError) as caught:
        open_origin(source, base=lake)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    ["lake/table/*/*.parquet", "lake", "lake/**", "lake/**/*.parquet", "lake/table/sex=f", "lake/table/sex=?/*"],
)
def test_files_of_a_delta_table_are_never_read_past_its_log(tmp_path, source):
    write_deltalake(tmp_path / "lake/table", people(), partition_by=["sex"])
    write_deltalake(tmp_path / "lake/table", people(N), mode="overwrite", partition_by=["sex"])
    with pytest.raises(UserError, match="reads files of the Delta table table, which also hold rows that were deleted"):
        open_origin(source, base=tmp_path)


def test_a_file_beside_a_delta_table_is_no_part_of_it(lake):
    write_deltalake(lake / "table", people())
    assert read("one.parquet", lake)[0].num_rows == N
    assert read("many", lake)[0].num_rows == N


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("many/part-[!0].parquet", ["part-1.parquet", "part-2.parquet"]),
        ("many/part-[0^].parquet", ["part-0.parquet"]),
        ("many/**", ["part-0.parquet", "part-1.parquet", "part-2.parquet", "deep/part-3.parquet"]),
        ("many/*", ["part-0.parquet", "part-1.parquet", "part-2.parquet"]),
    ],
)
def test_a_pattern_means_what_it_means_in_a_shell(lake, pattern, names):
    (lake / "many/deep").mkdir()
    pq.write_table(people(N, 30), lake / "many/deep/part-3.parquet")
    assert sorted(file["path"] for file in read(pattern, lake)[1].files()) == sorted(names)


@pytest.mark.parametrize("source", ["many", "many/*.parquet"])
def test_a_link_that_leads_nowhere_is_no_file_less(lake, source):
    (lake / "many/part-3.parquet").symlink_to(lake / "gone.parquet")
    (lake / "many/notes.txt").symlink_to(lake / "gone.txt")
    with pytest.raises(UserError, match=r"part-3\.parquet: is a link that leads nowhere"):
        open_origin(source, base=lake)
    assert read("many/part-[0-2].parquet", lake)[0].num_rows == N


def test_a_name_that_is_not_utf_8_is_told(lake):
    (lake / os.fsdecode(b"many/part-\xff.parquet")).write_bytes(b"x")
    with pytest.raises(UserError, match="many: there is a name that is not UTF-8 text"):
        open_origin("many", base=lake)


def test_a_delta_table_is_read_at_its_version(tmp_path):
    write_deltalake(tmp_path / "table", people())
    write_deltalake(tmp_path / "table", people(N), mode="append")
    write_deltalake(tmp_path / "table", people(500), mode="overwrite")
    for version, ids in ((0, range(N)), (1, range(2 * N)), (None, range(500, 500 + N))):
        table, origin = read(DeltaSource(delta="table", version=version), tmp_path)
        assert sorted(table["id"].to_pylist()) == list(ids)
        assert origin.name == f"table@{2 if version is None else version}"
        assert origin.rows == len(ids)
        assert all(sha256_file(tmp_path / "table" / file["path"]) == file["sha256"] for file in origin.files())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file, log: file.unlink(), "cannot be read as a Delta table: .*not found"),
        (lambda file, log: file.write_bytes(b"PAR1"), "cannot be read as a Delta table: "),
        (lambda file, log: log.write_text("{"), "cannot be read by delta-rs: .*Json error"),
        (
            lambda file, log: log.write_text(log.read_text().replace("timestampNtz", "foo")),
            "does not have the required",
        ),
    ],
)
def test_a_delta_table_that_is_damaged_is_said_in_one_line(tmp_path, damage, message):
    write_deltalake(tmp_path / "table", people())
    ((file,), (log,)) = ([*tmp_path.glob(which)] for which in ("table/*.parquet", "table/_delta_log/*.json"))
    damage(file, log)
    with pytest.raises(UserError, match=f"^table: .*{message}") as caught:
        open_origin(DeltaSource(delta="table"), base=tmp_path)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("source", ["../one.parquet", "link.parquet", "../*.parquet", DeltaSource(delta="../table")])
def test_a_source_outside_the_declared_roots_is_refused(lake, source):
    (lake / "many/link.parquet").symlink_to(lake / "one.parquet")
    with pytest.raises(UserError, match="lies outside the folders that data may come from"):
        open_origin(source, base=lake / "many", roots=[str(lake / "many"), "s3://lake/people"])
    (lake / "many/link.parquet").unlink()
    assert read("part-0.parquet", lake / "many", [str(lake)])[0].num_rows == 30


@pytest.mark.parametrize("source", [".", "*.parquet", "**/*.parquet", "sub/*.parquet"])
@pytest.mark.parametrize("links", ["file", "folder"])
def test_a_link_inside_the_declared_roots_leads_nowhere_else(lake, source, links):
    inside = lake / "many/sub"
    inside.mkdir()
    pq.write_table(people(500, 1), inside / "x.parquet")
    (inside / "link.parquet").symlink_to(lake / "one.parquet")
    if links == "folder":
        (lake / "many/sub/link.parquet").unlink()
        (lake / "else").mkdir()
        pq.write_table(people(600, 1), lake / "else/y.parquet")
        (lake / "many/sub/more").symlink_to(lake / "else")
        source = source.replace("sub/", "sub/**/")
    if source == "*.parquet":
        assert read(source, lake / "many", [str(lake / "many")])[0].num_rows == N
        return
    with pytest.raises(UserError, match="lies outside the folders that data may come from"):
        open_origin(source, base=lake / "many", roots=[str(lake / "many")])


@pytest.mark.parametrize("source", ["s3://lake/peoples/x.parquet", "s3://lake/people/../x.parquet", "gs://lake/people"])
def test_a_url_outside_the_declared_roots_is_refused(lake, source):
    with pytest.raises(UserError, match="lies outside"):
        open_origin(source, base=lake, roots=["s3://lake/people"])


def test_a_store_that_does_not_answer_is_unavailable(lake, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    url = "s3://lake/x.parquet?endpoint_override=127.0.0.1:1&scheme=http&region=eu"
    with pytest.raises(UnavailableError, match=r"s3://lake/x\.parquet cannot be reached") as caught:
        open_origin(url, base=lake)
    assert "hush-hush" not in str(caught.value)
