"""Every expectation type that Great Expectations has, met and not met, and what a failure names."""

import pandas as pd
import pytest
from tests.gates.contract.cases import CASES, DATA

from assay.core import Outcome
from assay.gates.contract import judge, measure
from assay.gates.contract.adapter import frame_batch, validate
from assay.gates.contract.dialect import great_expectations
from assay.policy.contract import Contract

IN_PANDAS = {
    "expect_column_values_to_be_dateutil_parseable",
    "expect_column_values_to_be_decreasing",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_json_parseable",
    "expect_column_values_to_match_json_schema",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_be_outliers",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_regex_list",
}
# what a type is called differs between engines; these ask other tables or write SQL
ONLY_SQL = {
    "expect_column_type_to_be",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern_list",
    "expect_query_results_to_match_comparison",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
}


def entry(kind, kwargs, severity="critical"):
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.parquet"
    DATA.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def found(data):
    """For each type the finding of what is met and the finding of what is not, all from one suite."""
    entries = [entry(kind, kwargs) for kind, pair in CASES.items() for kwargs in pair]
    evidence = measure(files=[data], suite={"expectations": entries}, key="id")
    checks = judge(evidence).checks
    return {
        kind: list(zip(evidence.findings[2 * at : 2 * at + 2], checks[2 * at : 2 * at + 2], strict=True))
        for at, kind in enumerate(CASES)
    }


def test_every_core_type_is_tried():
    great_expectations()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert set(CASES) == set(list_registered_expectation_implementations())


@pytest.mark.parametrize("kind", CASES)
def test_an_expectation_is_met_and_not_met(found, kind):
    (met, passed), (unmet, failed) = found[kind]
    assert (met.met, passed.outcome) == (True, Outcome.PASS), met.error
    if kind == "expect_table_row_count_to_equal_other_table":  # the other table is not there
        assert failed.outcome is Outcome.ERROR
        return
    assert (unmet.met, failed.outcome) == (False, Outcome.FAIL), unmet.error
    assert (met.fallback is not None) == (unmet.fallback is not None) == (kind in IN_PANDAS)
    assert ("in pandas" in failed.reason) == (kind in IN_PANDAS)


@pytest.mark.parametrize("kind", sorted(set(CASES) - ONLY_SQL))
def test_counts_are_those_of_the_pandas_engine(found, kind):
    frame = frame_batch(DATA.astype({"none": object}))
    entries = {at: entry(kind, kwargs) for at, kwargs in enumerate(CASES[kind])}
    theirs = validate(frame, entries, {"result_format": "COMPLETE"})
    for at, (finding, _) in enumerate(found[kind]):
        assert finding.met == theirs[at]["success"]
        if "unexpected_count" in theirs[at]["result"] and finding.unexpected is not None:
            assert finding.unexpected == theirs[at]["result"]["unexpected_count"]


@pytest.mark.parametrize("kind", CASES)
def test_a_failure_names_its_rows_by_key_and_value(found, kind):
    (_, passed), (unmet, failed) = found[kind]
    assert passed.examples is None
    if unmet.unexpected is None:
        assert not failed.examples or kind == "unexpected_rows_expectation"
        return
    rows = DATA.set_index("id", drop=False)
    assert 0 < len(failed.examples) == min(20, unmet.unexpected)
    for example in failed.examples:
        assert next(iter(example)) == "id"
        for column, value in example.items():
            truth = rows.loc[int(example["id"]), column]
            assert value == (None if pd.isna(truth) else str(truth))


def test_rows_are_named_in_order_and_bounded(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": range(100, 0, -1), "n": 5}).to_parquet(path)
    suite = {"expectations": [entry("expect_column_values_to_be_between", {"column": "n", "max_value": 4})]}
    (check,) = judge(measure(files=[path], suite=suite, key="id")).checks
    assert check.examples == tuple({"id": str(n), "n": "5"} for n in range(1, 21))
    assert "100 of 100 rows unexpected (1 of all)" in check.reason
    (check,) = judge(measure(files=[path], suite=suite)).checks
    assert check.examples == ({"n": "5"},)


def test_the_rows_of_a_query_are_named(found):
    (_, _), (_, failed) = found["unexpected_rows_expectation"]
    assert failed.examples == ({"id": "10", "n": "10"},)


def test_a_row_condition_holds_for_examples_too(data):
    condition = {"row_condition": 'col("sex") == "m"', "condition_parser": "great_expectations"}
    kwargs = {"column": "n", "max_value": 3, **condition}
    (check,) = judge(
        measure(files=[data], suite={"expectations": [entry("expect_column_values_to_be_between", kwargs)]}, key="id")
    ).checks
    assert [example["id"] for example in check.examples] == ["4", "6", "8"]
    assert (check.estimate, check.support) == (0.75, 4)


def test_nulls_and_repeats_of_a_value_count_in_the_pandas_fallback(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": range(6), "code": ["a1", "b", None, "b", "a1", "c"]}).to_parquet(path)
    kind, kwargs = "expect_column_values_to_match_regex", {"column": "code", "regex": r"\d"}
    suite = {"expectations": [entry(kind, {**kwargs, "mostly": mostly}) for mostly in (0.4, 0.41)]}
    met, unmet = measure(files=[path], suite=suite, key="id").findings
    assert (met.met, unmet.met) == (True, False)
    assert (unmet.unexpected, unmet.support, unmet.estimate) == (3, 5, 0.6)
    assert [row["id"] for row in unmet.examples] == ["1", "3", "5"]
    assert unmet.offending == ("b", "c")


def test_what_neither_engine_can_evaluate_is_an_error(data):
    suite = {"expectations": [entry("expect_column_values_to_match_json_schema", {"column": "n", "json_schema": {}})]}
    (check,) = judge(measure(files=[data], suite=suite)).checks
    assert check.outcome is Outcome.ERROR


def test_what_is_raised_instead_of_returned_is_an_error_too(data):
    parameter = entry("expect_column_max_to_be_between", {"column": "n", "max_value": {"$PARAMETER": "most"}})
    fine = entry("expect_column_max_to_be_between", {"column": "n", "max_value": 10})
    checks = judge(measure(files=[data], suite={"expectations": [parameter, fine]})).checks
    assert [check.outcome for check in checks] == [Outcome.ERROR, Outcome.PASS]
    assert "most" in checks[0].reason


@pytest.mark.parametrize("name", ["a b", 'say "x"', "50%", "{n}", ":n", "Select", "Ünïcode", "data", "key"])
def test_columns_of_any_name_are_found(tmp_path, name):
    rows = pd.DataFrame({f"{name} id": range(30), name: [*range(29), 999]})
    rows.to_parquet(tmp_path / "t.parquet")
    kinds = [
        entry("expect_column_values_to_be_between", {"column": name, "min_value": 0, "max_value": 100}),
        entry("expect_column_values_to_match_regex", {"column": name, "regex": r"^\d{1,2}$"}),
    ]
    suite, hold = {"expectations": kinds}, Contract(on_bad_rows="quarantine", max_quarantined=0.1)
    evidence = measure(files=[tmp_path / "t.parquet"], suite=suite, policy=hold, key=f"{name} id")
    assert [finding.examples for finding in evidence.findings] == [({f"{name} id": "29", name: "999"},)] * 2
    assert judge(evidence, hold).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "values",
    [[1, 2, 3], [4, 1, 3, 2], [-0.5, 1e300, 2.0, None], [7], [2, 2, 2, 5], [None, 3, None, 3]],
    ids=str,
)
def test_medians_and_repeats_are_those_of_the_pandas_engine(tmp_path, values):
    rows = pd.DataFrame({"v": pd.Series(values, dtype="float64"), "g": ["a", "b", "a", "a"][: len(values)]})
    rows.to_parquet(tmp_path / "t.parquet")
    median = float(pd.Series(values, dtype="float64").median())
    condition = {"row_condition": 'col("g") == "a"', "condition_parser": "great_expectations"}
    kinds = [
        entry("expect_column_median_to_be_between", {"column": "v", "min_value": median, "max_value": median}),
        entry("expect_column_median_to_be_between", {"column": "v", "min_value": median + 1 + abs(median)}),
        entry("expect_column_values_to_be_unique", {"column": "v"}),
        entry("expect_column_values_to_be_unique", {"column": "v", **condition}),
    ]
    same, above, unique, some = measure(files=[tmp_path / "t.parquet"], suite={"expectations": kinds}).findings
    assert (same.met, above.met, same.estimate) == (True, False, median)
    for finding, looked_at in ((unique, rows["v"]), (some, rows.loc[rows["g"] == "a", "v"])):
        assert finding.unexpected == int(looked_at.dropna().duplicated(keep=False).sum())
