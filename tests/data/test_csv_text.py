import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv

from assay.core import UserError
from assay.data import csv_text
from assay.data.csv_text import WatchedBytes, check_quotes, common_type, convert_options, infer_types, read_batches


def streamed(content):
    def opened():
        return io.BytesIO(content)

    types, digest = infer_types("x.csv", opened)
    return pa.Table.from_batches(list(read_batches("x.csv", opened, types, digest)))


def whole(content):
    table = csv.read_csv(
        io.BytesIO(content),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=True),
        convert_options=convert_options(),
    )
    return table.cast(pa.schema([f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]))


cells = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(
        ["", "NA", '"NA"', "true", "2024-05-31", "2024-05-31 01:02:03", "x", '"a,b"', '"a ""b"" c"', '"l\nm"']
    ),
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=30), st.integers(1, 3))
def test_a_stream_gives_what_the_whole_file_gives(rows, block):
    content = "a,b\n" + "".join(f"{one},{other}\n" for one, other in rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_text, "_BLOCK", 64 * block)
        try:
            found = streamed(content.encode())
        except UserError as error:
            pytest.fail(str(error))
    expected = whole(content.encode())
    mixed = [f.name for f, g in zip(found.schema, expected.schema, strict=True) if f.type != g.type]
    assert found.drop_columns(mixed).equals(expected.drop_columns(mixed))
    # where the whole-file reader reads 0 and 1 as truths beside true, a stream keeps the text
    assert all(found.schema.field(name).type == pa.string() for name in mixed)


def test_a_type_that_shows_late_holds_for_all_rows(monkeypatch):
    monkeypatch.setattr(csv_text, "_BLOCK", 256)
    rows = "".join(f"{i},{i},{i},\n" for i in range(500))
    table = streamed(f"id,half,code,gap\n{rows}500,0.5,A1,2024-05-31\n".encode())
    assert [str(field.type) for field in table.schema] == ["int64", "double", "string", "date32[day]"]
    assert table["code"].to_pylist()[-2:] == ["499", "A1"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('a,b\n1,"x\n2,y\n', 2),
        ('a,b\n"x,1\n2,y\n', 2),
        ('a,b\n1,"x"\n2,"y\n3,"z"\n', 3),
        ('a,b\n1,"x"y\n', 2),
        ('a,b\n' + "".join(f'{i},"t{i}"\n' for i in range(999)) + '999,"t\n1000,"u"\n', 1001),
    ],
)  # fmt: skip
def test_a_broken_quote_is_named_by_its_line(content, line):
    with pytest.raises(UserError, match=f"a quote that does not match in the row that begins on line {line} "):
        streamed(content.encode())
    with pytest.raises(UserError, match=f"line {line} "):
        check_quotes("x.csv", lambda: io.BytesIO(content.encode()))


@pytest.mark.parametrize("content", ['a,b\n1,5" pipe\n', 'a,b\n"",""\n', 'a,b\n"""q""","x\ny"\n', '"a",b\r\n1,"2"\r\n'])
def test_quotes_that_match_pass(content):
    streamed(content.encode())
    check_quotes("x.csv", lambda: io.BytesIO(content.encode()))


@given(st.lists(st.tuples(st.text('",\nx', max_size=5), st.text('",\nx', max_size=5)), min_size=1), st.integers(1, 9))
def test_what_a_writer_quotes_is_never_suspect(rows, size):
    import csv as plain

    text = io.StringIO()
    plain.writer(text, quoting=plain.QUOTE_MINIMAL, lineterminator="\n").writerows(rows)
    watched = WatchedBytes(io.BytesIO(text.getvalue().encode()))
    while watched.read(size):
        pass
    assert not watched.suspect


def test_unequal_rows_and_other_text_are_named():
    with pytest.raises(UserError, match="line 3 has 3 cells where the header has 2"):
        streamed(b"a,b\n1,2\n3,4,5\n")
    with pytest.raises(UserError, match='"b" is not UTF-8'):
        streamed(b"a,b\n1,caf\xe9\n")
    with pytest.raises(UserError, match="header is not UTF-8"):
        streamed(b"a,caf\xe9\n1,2\n")
    with pytest.raises(UserError, match="twice: a"):
        streamed(b"a,b,a\n1,2,3\n")


def test_a_file_that_is_not_the_one_looked_at_is_refused():
    types, digest = infer_types("x.csv", lambda: io.BytesIO(b"a\n1\n"))
    with pytest.raises(UserError, match="changed while it was read"):
        list(read_batches("x.csv", lambda: io.BytesIO(b"a\n2\n"), types, digest))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.decimal128(5, 2), pa.decimal128(4, 3), pa.decimal128(6, 3)),
        (pa.decimal128(38, 0), pa.decimal128(38, 38), None),
        (pa.date32(), pa.timestamp("s"), pa.timestamp("s")),
        (pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.timestamp("s"), pa.timestamp("s", "UTC"), None),
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.float32(), pa.int64(), pa.float64()),
        (pa.bool_(), pa.int64(), None),
        (pa.string(), pa.int64(), None),
    ],
)
def test_the_type_of_both(one, other, both):
    assert common_type(one, other) == common_type(other, one) == both
