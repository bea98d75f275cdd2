"""A row from a file: everything wrong with it is said at once."""

import json

import numpy as np
import pytest

from assay.core import UserError
from assay.evidence.explain.rows import read_row, row_inputs

KINDS = {"age": "number", "sector": "text", "hours": "number"}


def written(tmp_path, content, name="row.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def inputs_of(path, **options):
    return {name: cell[0, 0] for name, cell in row_inputs(read_row(path), KINDS, **options).items()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("row.json", '{"age": 38, "sector": "a, b", "hours": null, "sex": "f"}'),
        ("row.csv", 'age,sector,hours,sex\n38,"a, b",,f\n'),
        ("ROW.CSV", '\ufeffage,sector,hours,sex\r\n38,"a, b",,f\r\n\r\n'),
    ],
)
def test_both_forms_of_a_file_say_the_same(tmp_path, name, content):
    found = inputs_of(written(tmp_path, content, name), known=["sex"])
    assert (found["age"], found["sector"]) == (np.float32(38), "a, b")
    assert np.isnan(found["hours"])
    assert list(found) == list(KINDS)


def test_a_text_that_looks_like_a_number_stays_text_in_csv(tmp_path):
    path = written(tmp_path, "age,sector,hours\n1,007,2.5\n", "row.csv")
    assert inputs_of(path)["sector"] == "007"


def test_everything_wrong_is_listed_at_once(tmp_path):
    path = written(tmp_path, json.dumps({"agee": 1, "sector": ["a"], "hours": "many", "sex": "f"}))
    with pytest.raises(UserError) as raised:
        inputs_of(path)
    told = {each.path: str(each) for each in raised.value.problems}
    assert set(told) == {"agee", "sector", "hours", "sex", "age"}
    assert 'did you mean "age"?' in told["agee"]
    assert "is missing" in told["age"]
    assert "'many' is not a number" in told["hours"]
    assert "row 0" not in told["hours"]


def test_a_number_as_text_is_refused_in_json_where_it_can_be_written_as_one(tmp_path):
    with pytest.raises(UserError, match="'38' is not a number"):
        inputs_of(written(tmp_path, '{"age": "38", "sector": "a", "hours": 1}'))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("row.json", "{", "is not JSON"),
        ("row.json", "[" * 100_000, "is not JSON"),
        ("row.json", '[{"age": 1}]', "holds a list, not one row"),
        ("row.json", '{"age": NaN}', "NaN is no JSON number"),
        ("row.json", '{"age": 1, "age": 2}', "names twice: age"),
        ("row.json", b"\xff\xfe", "is not UTF-8"),
        ("row.csv", "", "holds 0 rows"),
        ("row.csv", "age\n1\n2\n", "holds 2 rows"),
        ("row.csv", "age,age\n1,2\n", "names twice: age"),
        ("row.csv", "age,hours\n1\n", "has 1 cells below 2 names"),
        ("row.csv", 'age\n"1\n', "is not CSV"),
        ("row.parquet", "", "is neither .json nor .csv"),
    ],
)
def test_a_file_that_is_not_one_row_is_refused(tmp_path, name, content, told):
    with pytest.raises(UserError, match=told):
        read_row(written(tmp_path, content, name))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_row(tmp_path / "none.json")


@pytest.mark.parametrize("value", [1e39, True, "inf"])
def test_what_no_model_can_read_as_a_number_is_refused(value):
    with pytest.raises(UserError, match="age"):
        row_inputs({"age": value, "sector": "a", "hours": 1}, KINDS)
