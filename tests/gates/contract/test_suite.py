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


def test_yaml_reads_as_json_does(tmp_path):
    suite = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}
    (tmp_path / "s.yaml").write_text("name: s\nexpectations:\n- type: expect_column_to_exist\n  kwargs: {column: a}\n")
    assert load_suite(tmp_path / "s.yaml") == load_suite(write(tmp_path, suite))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.json", '{"name": "s",\n "expectations": [}', "line 2, column 19: is not JSON"),
        ("s.yaml", "name: s\nexpectations: [}", "line 2, column 16: is not YAML"),
        ("s.yaml", "a: " + "[" * 5_000, "nested too deeply"),
        ("s.yml", "a: 2024-13-77", "is not YAML: month must be in 1..12"),
        ("s.json", '{"expectations": [{"kwargs": {"min_value": -1e400}}]}', "holds a number that is endless"),
        ("s.yml", "a: [{b: .inf}]", "holds a number that is endless"),
        ("s.yml", "expectations: [.nan]", "holds a number that is endless, or none"),
        ("s.yml", "expectations: &a [*a]", "nested too deeply"),
    ],
)
def test_what_cannot_be_parsed_is_said_with_its_place(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said):
        load_suite(tmp_path / name)


@pytest.mark.parametrize(
    ("kind", "kwargs", "path", "said"),
    [
        ("expect_column_values_to_match_regex", {"regex": "("}, "kwargs.regex", "does not compile: missing )"),
        (
            "expect_column_values_to_match_regex_list",
            {"regex_list": ["a", "[b"]},
            "kwargs.regex_list.1",
            "unterminated",
        ),
        ("expect_column_values_to_be_between", {"min_value": 9, "max_value": 1}, "kwargs", "9 is above max_value 1"),
        (
            "expect_column_values_to_be_between",
            {"min_value": "2024-02-01", "max_value": "2024-01-01"},
            "kwargs",
            "nothing can lie between",
        ),
        ("expect_column_mean_to_be_between", {"min_value": 1, "max_value": 1, "strict_min": True}, "kwargs", "strict"),
        ("expect_column_values_to_be_in_set", {"value_set": []}, "kwargs.value_set", "is empty"),
        (
            "expect_column_quantile_values_to_be_between",
            {"quantile_ranges": {"quantiles": [0.5], "value_ranges": [[2, 1]]}},
            "kwargs.quantile_ranges.value_ranges.0",
            "2 is above 1",
        ),
    ],
)
def test_what_no_data_could_meet_is_refused(tmp_path, kind, kwargs, path, said):
    expectations = [{"type": kind, "kwargs": {"column": "a", **kwargs}}]
    with pytest.raises(UserError) as caught:
        load_suite(write(tmp_path, {"name": "s", "expectations": expectations}))
    (found,) = caught.value.problems
    assert found.path == f"expectations.0.{path}"
    assert said in found.message


def test_limits_that_are_texts_are_not_compared_as_numbers(tmp_path):
    kwargs = {"column": "a", "min_value": "9", "max_value": "10"}
    expectation = {"type": "expect_column_values_to_be_between", "kwargs": kwargs}
    (entry,) = load_suite(write(tmp_path, {"name": "s", "expectations": [expectation]}))["expectations"]
    assert entry["kwargs"] == kwargs


def test_how_a_result_is_returned_is_not_the_suites_to_say(tmp_path):
    kwargs = {"column": "a", "result_format": "BOOLEAN_ONLY", "catch_exceptions": False}
    raw = {"type": "expect_column_to_exist", "kwargs": kwargs, "notes": "why", "description": "what"}
    (entry,) = load_suite(write(tmp_path, {"name": "s", "expectations": [raw]}))["expectations"]
    assert entry["kwargs"] == {"column": "a", "description": "what"}
    assert entry["meta"] == {"notes": "why"}
