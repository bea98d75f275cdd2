"""Rows set aside: which, why, how many, and what is judged instead of them."""

import dataclasses
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import Limit, Outcome, UserError
from assay.gates.contract import ContractEvidence, Finding, Quarantine, as_taken, bad_rows, judge, measure
from assay.policy.contract import Contract

HOLD = Contract(on_bad_rows="quarantine", max_quarantined=0.1)
ROWS = pd.DataFrame({"id": range(100), "age": [30] * 100, "sex": ["f", "m"] * 50, "code": ["a1"] * 100})


def entry(kind, severity="critical", /, **kwargs):
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {}}


BETWEEN = entry("expect_column_values_to_be_between", column="age", min_value=0, max_value=120)
IN_SET = entry("expect_column_values_to_be_in_set", column="sex", value_set=["f", "m"])
REGEX = entry("expect_column_values_to_match_regex", column="code", regex=r"\d")
QUERY = entry("unexpected_rows_expectation", unexpected_rows_query="SELECT id FROM {batch} WHERE age = 30 AND sex='x'")
MEAN = entry("expect_column_mean_to_be_between", column="age", min_value=29, max_value=31)
SUITE = {"expectations": [BETWEEN, IN_SET, REGEX, QUERY, MEAN]}


def damaged():
    rows = ROWS.copy()
    rows.loc[[3, 5], "age"] = [-1, 999]
    rows.loc[[5, 7], "sex"] = "x"
    rows.loc[9, "code"] = "none"
    return rows


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "t.parquet"
    damaged().to_parquet(path)
    return path


def test_the_clean_rest_passes_and_both_counts_are_told(file):
    evidence = measure(files=[file], suite=SUITE, policy=HOLD, key="id")
    judgement = judge(evidence, HOLD)
    assert judgement.outcome is Outcome.PASS
    summary, between, in_set, regex, query, mean = judgement.checks
    assert (summary.name, summary.estimate, summary.limit, summary.support) == ("quarantine", 0.04, Limit(max=0.1), 100)
    assert summary.reason == (
        "4 of 100 rows (0.04 of all) set aside, 96 clean: 2 for expect_column_values_to_be_between age, 2 for "
        "expect_column_values_to_be_in_set sex, 1 for expect_column_values_to_match_regex code, 1 for "
        "unexpected_rows_expectation"
    )
    assert [check.support for check in (between, in_set, regex, mean)] == [96] * 4
    assert "2 rows were set aside for it: -1, 999" in between.reason
    assert [row["id"] for row in in_set.examples] == ["5", "7"]
    assert "1 rows were set aside for it: none" in regex.reason
    assert "1 rows were set aside" in query.reason
    assert (mean.estimate, "set aside" in mean.reason) == (30, False)


def test_without_quarantine_they_block(file):
    judgement = judge(measure(files=[file], suite=SUITE, key="id"))
    assert judgement.outcome is Outcome.FAIL
    assert [check.outcome is Outcome.PASS for check in judgement.checks] == [False] * 5
    assert judgement.checks[0].reason == (
        "2 of 100 rows unexpected (0.02 of all), against the limit of at most 0: -1, 999, in id 3, 5"
    )


def test_above_the_declared_share_nothing_is_set_aside(file):
    strict = Contract(on_bad_rows="quarantine", max_quarantined=0.03)
    evidence = measure(files=[file], suite=SUITE, policy=strict, key="id")
    judgement = judge(evidence, strict)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.checks[0].outcome is Outcome.FAIL
    assert "4 of 100 rows (0.04 of all) would have to be set aside and none was: 2 for" in judgement.checks[0].reason
    assert judgement.checks[1:] == judge(measure(files=[file], suite=SUITE, key="id")).checks


def test_what_is_not_about_rows_still_blocks(file):
    suite = {"expectations": [BETWEEN, entry("expect_column_mean_to_be_between", column="age", max_value=3)]}
    judgement = judge(measure(files=[file], suite=suite, policy=HOLD, key="id"), HOLD)
    assert [check.outcome.value for check in judgement.checks] == ["PASS", "PASS", "FAIL"]
    assert judgement.outcome is Outcome.FAIL


def test_only_critical_expectations_set_rows_aside(file):
    suite = {"expectations": [{**IN_SET, "severity": "warning"}, BETWEEN]}
    evidence = measure(files=[file], suite=suite, policy=HOLD, key="id")
    assert (evidence.quarantine.rows, evidence.quarantine.reasons) == (2, [0, 2])
    judgement = judge(evidence, HOLD)
    assert judgement.outcome is Outcome.PASS
    assert judgement.checks[1].outcome is Outcome.FAIL  # row 7 is still among the rest
    assert judgement.checks[1].severity == "warning"


def test_rows_of_one_key_go_together_and_a_missing_key_is_a_key(tmp_path):
    rows = damaged()
    rows["id"] = rows["id"].astype("Int64")
    rows.loc[20, "id"] = 3  # as the row with age -1
    rows.loc[[30, 31], "id"] = None
    rows.loc[30, "age"] = -5
    rows.to_parquet(tmp_path / "t.parquet")
    suite = {"expectations": [BETWEEN]}
    evidence = measure(files=[tmp_path / "t.parquet"], suite=suite, policy=HOLD, key="id")
    assert evidence.quarantine.rows == 5
    assert evidence.quarantine.rest[0].support == 95
    bad = bad_rows(files=[tmp_path / "t.parquet"], suite=suite, key="id", most=0.1)
    assert bad.found["row"].to_pylist() == [3, 5, 20, 30, 31]


def test_the_bad_rows_are_told_by_their_places_with_their_reasons(file, tmp_path):
    more = ROWS.assign(id=range(100, 200))
    more.loc[99, "age"] = -1
    more.to_parquet(tmp_path / "u.parquet")
    bad = bad_rows(files=[file, tmp_path / "u.parquet"], suite=SUITE, key="id", most=0.1)
    age, sex = "expect_column_values_to_be_between age", "expect_column_values_to_be_in_set sex"
    code, query = "expect_column_values_to_match_regex code", "unexpected_rows_expectation"
    assert (bad.read, bad.rows, bad.reasons) == (200, 5, {age: 3, sex: 2, code: 1, query: 1})
    assert bad.found["row"].to_pylist() == [3, 5, 7, 9, 199]
    reasons = [json.loads(each) for each in bad.found["reasons"].to_pylist()]
    assert reasons == [[age], [age, sex], [sex, query], [code], [age]]


@pytest.mark.parametrize(("most", "some"), [(0.04, True), (0.0399, False)])
def test_the_share_itself_may_still_be_set_aside(file, most, some):
    assert (bad_rows(files=[file], suite=SUITE, key="id", most=most).found is not None) is some
    policy = Contract(on_bad_rows="quarantine", max_quarantined=most)
    outcome = judge(measure(files=[file], suite=SUITE, policy=policy, key="id"), policy).outcome
    assert outcome is (Outcome.PASS if some else Outcome.FAIL)


def test_a_snapshot_is_judged_as_it_was_taken(file):
    bad = bad_rows(files=[file], suite=SUITE, key="id", most=0.1)
    before = judge(measure(files=[file], suite=SUITE, policy=HOLD, key="id"), HOLD)
    damaged().drop(index=bad.found["row"].to_pylist()).to_parquet(file)
    told = {"read": bad.read, "bad": bad.rows, "reasons": bad.reasons}
    clean = measure(files=[file], suite=SUITE, key="id")
    after = judge(as_taken(clean, **told, set_aside=True), HOLD)
    assert [dataclasses.replace(check, reason="", examples=None) for check in after.checks] == [
        dataclasses.replace(check, reason="", examples=None) for check in before.checks
    ]
    assert after.checks[0] == before.checks[0]
    assert "2 rows were set aside for it" in after.checks[1].reason
    none = judge(as_taken(clean, **told, set_aside=False), HOLD)
    assert (none.outcome, none.checks[0].outcome) == (Outcome.FAIL, Outcome.FAIL)
    assert bad_rows(files=[file], suite=SUITE, key="id", most=0.1).rows == 0


def test_a_key_must_be_there_and_no_column_in_the_way(file):
    with pytest.raises(UserError, match='did you mean "id"'):
        bad_rows(files=[file], suite=SUITE, key="idd", most=0.1)
    ROWS.assign(file_row_number=1).to_parquet(file)
    with pytest.raises(UserError, match="rename the column"):
        bad_rows(files=[file], suite=SUITE, key="id", most=0.1)


def test_a_clean_file_has_no_quarantine(tmp_path):
    ROWS.to_parquet(tmp_path / "t.parquet")
    evidence = measure(files=[tmp_path / "t.parquet"], suite=SUITE, policy=HOLD, key="id")
    assert evidence.quarantine is None
    assert judge(evidence, HOLD).outcome is Outcome.PASS


def test_all_rows_are_never_set_aside(tmp_path):
    ROWS.assign(age=-1).to_parquet(tmp_path / "t.parquet")
    most = Contract(on_bad_rows="quarantine", max_quarantined=0.999)
    evidence = measure(files=[tmp_path / "t.parquet"], suite=SUITE, policy=most, key="id")
    assert judge(evidence, most).outcome is Outcome.FAIL


def test_a_key_is_needed_and_must_be_there(file):
    with pytest.raises(UserError, match="needs a key"):
        measure(files=[file], suite=SUITE, policy=HOLD)
    with pytest.raises(UserError, match='did you mean "id"'):
        measure(files=[file], suite=SUITE, key="idd")


@pytest.mark.parametrize(
    "given", [{"on_bad_rows": "quarantine"}, {"max_quarantined": 0.1}, {"on_bad_rows": "drop"}, {"max_quarantined": 1}]
)
def test_a_policy_declares_both_or_neither(given):
    with pytest.raises(ValueError):
        Contract(**given)


@given(st.integers(1, 99), st.floats(0.01, 0.99), st.booleans())
def test_a_wider_share_never_worsens_the_outcome(rows, most, rest_met):
    bad = Finding(expectation="e", attribute="a", severity="critical", met=False, unexpected=rows, support=100)
    rest = dataclasses.replace(bad, met=rest_met, unexpected=0, support=100 - rows)
    evidence = ContractEvidence(rows=100, findings=[bad], quarantine=Quarantine(rows=rows, reasons=[rows], rest=[rest]))
    policy = Contract(on_bad_rows="quarantine", max_quarantined=most)
    outcome = judge(evidence, policy).outcome
    assert outcome is (Outcome.PASS if rows / 100 <= most and rest_met else Outcome.FAIL)
