import json

import pytest

from assay.core import UserError
from assay.gates.contract import load_suite


def write(tmp_path, content):
    path = tmp_path / "contract.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_both_spellings_read_alike(tmp_path):
    new = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}
    old = {
        "expectation_suite_name": "s",
        "expectations": [{"expectation_type": "expect_column_to_exist", "kwargs": {"column": "a"}, "meta": {}}],
    }
    assert load_suite(write(tmp_path, new)) == load_suite(write(tmp_path, old))
    assert load_suite(write(tmp_path, new)) == {
        "name": "s",
        "expectations": [
            {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "severity": "critical", "meta": {}}
        ],
    }


def test_broken_json_is_named_by_line_and_column(tmp_path):
    with pytest.raises(UserError, match="line 2, column 3: is not JSON"):
        load_suite(write(tmp_path, '{"name": "s",\n  expectations: []}'))


@pytest.mark.parametrize("content", [[], {"name": "s"}, {"expectations": {}}, "3"])
def test_another_shape_is_refused(tmp_path, content):
    with pytest.raises(UserError, match="is not a suite"):
        load_suite(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"expectations": [' + "9" * 5000 + "]}", "Exceeds the limit"),
        ('{"expectations": [NaN]}', "NaN is not a number that JSON knows"),
        ('{"name": "\\ud800", "expectations": []}', "surrogates not allowed"),
    ],
)
def test_json_that_could_not_be_written_again_is_refused(tmp_path, content, said):
    (tmp_path / "contract.json").write_text(content)
    with pytest.raises(UserError, match=f"contract.json: cannot be read: .*{said}"):
        load_suite(tmp_path / "contract.json")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_suite(tmp_path / "contract.json")


def test_everything_wrong_is_said_at_once(tmp_path):
    expectations = [
        {"type": "expect_column_values_to_be_uniqe", "kwargs": {"column": "a"}},
        {"type": "expect_column_to_exist", "kwargs": {}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a", "colour": 1}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "severity": "fatal", "sevrity": "info"},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a", "mostly": 1.5}},
        "expect_column_to_exist",
        {"kwargs": []},
        {"type": "expect_column_to_exist", "kwargs": {"column": "a"}},
    ]
    with pytest.raises(UserError) as caught:
        load_suite(write(tmp_path, {"name": "s", "expectations": expectations}))
    paths = [problem.path for problem in caught.value.problems]
    assert paths[0] == "expectations.0.type"
    assert {path.split(".")[1] for path in paths} == set("0123456")
    assert "expectations.2.kwargs.colour" in paths
    assert "expectations.4.kwargs.mostly" in paths
    assert 'did you mean "expect_column_values_to_be_unique"?' in str(caught.value)
    assert 'did you mean "severity"?' in str(caught.value)
