import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import Limit, Outcome, UserError, bind, settings, worst
from assay.core.clock import Stopwatch
from assay.core.verdict import Subject, Verdict
from assay.gates.contract import ContractEvidence, Finding, judge, load_suite, measure
from assay.gates.contract.adapter import open_batch

INCOME = settings.PACKAGE.parent / "models" / "income"
SUITE = load_suite(INCOME / "contract.json")
ADULT = pd.read_parquet(INCOME / "data" / "adult.parquet")


def expectation(name, severity="critical", /, **kwargs):
    return {"type": name, "kwargs": kwargs, "severity": severity, "meta": {}}


def judged(tmp_path, table, *expectations):
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    judgement = judge(measure(files=[tmp_path / "t.parquet"], suite={"name": "t", "expectations": list(expectations)}))
    return judgement, list(judgement.checks)


def test_the_income_contract_holds_on_its_data():
    assert len(SUITE["expectations"]) >= 28
    assert all(each["meta"]["notes"] for each in SUITE["expectations"])
    for name in ("adult", "live"):
        judgement = judge(measure(files=[INCOME / "data" / f"{name}.parquet"], suite=SUITE))
        assert judgement.outcome is Outcome.PASS
        assert [check.reason for check in judgement.checks if check.outcome is not Outcome.PASS] == []
        assert len(judgement.checks) == len(SUITE["expectations"])


def null_burst(data):
    data.loc[data.index[::5], "occupation"] = None


def new_category(data):
    data.loc[7, "race"] = "Martian"


def other_unit(data):
    data["age"] *= 12


def swapped_columns(data):
    data[["education_num", "hours_per_week"]] = data[["hours_per_week", "education_num"]].to_numpy()


def repeated_person(data):
    data.loc[1, "person_id"] = data.loc[0, "person_id"]


def flipped_label(data):
    data["income"] = np.where(data["income"] == ">50K", "<=50K", ">50K")


def lost_column(data):
    del data["sex"]


@pytest.mark.parametrize(
    ("damage", "check", "attribute", "named"),
    [
        (null_burst, "expect_column_values_to_not_be_null", "occupation", "null"),
        (new_category, "expect_column_values_to_be_in_set", "race", "Martian"),
        (other_unit, "expect_column_values_to_be_between", "age", "468"),
        (swapped_columns, "expect_column_pair_values_to_be_in_set", "education*education_num", "HS-grad"),
        (repeated_person, "expect_column_values_to_be_unique", "person_id", "0"),
        (flipped_label, "unexpected_rows_expectation:2", None, "15 % and 35 %"),
        (lost_column, "expect_table_columns_to_match_ordered_list", None, "race"),
    ],
)
def test_the_income_contract_finds_planted_damage(tmp_path, damage, check, attribute, named):
    data = ADULT.copy()
    damage(data)
    data.to_parquet(tmp_path / "damaged.parquet")
    judgement = judge(measure(files=[tmp_path / "damaged.parquet"], suite=SUITE))
    assert judgement.outcome is Outcome.FAIL
    found = {(each.name, each.attribute): each for each in judgement.checks}[check, attribute]
    assert found.outcome is Outcome.FAIL
    assert named in found.reason


def test_a_check_says_what_was_measured(tmp_path):
    table = {"age": [20, 30, None, 200], "sex": ["f", "m", "f", "f"]}
    _, checks = judged(
        tmp_path,
        table,
        expectation("expect_column_values_to_be_between", column="age", min_value=0, max_value=120, mostly=0.6),
        expectation("expect_column_values_to_not_be_null", "warning", column="age", mostly=0.9),
        expectation("expect_column_mean_to_be_between", column="age", min_value=10, max_value=50),
        expectation("expect_table_row_count_to_equal", value=4),
        expectation("expect_compound_columns_to_be_unique", column_list=["age", "sex"]),
        expectation("expect_column_distinct_values_to_equal_set", column="sex", value_set=["f", "x"]),
        expectation(
            "expect_column_kl_divergence_to_be_less_than", column="sex", threshold=0.1,
            partition_object={"values": ["f", "m"], "weights": [0.5, 0.5]},
        ),
    )  # fmt: skip
    between, null, mean, count, unique, distinct, shares = checks
    assert (shares.limit, shares.outcome) == (Limit(max=0.1), Outcome.FAIL)
    assert (between.attribute, between.support, between.limit) == ("age", 3, Limit(max=0.4))
    assert between.estimate == pytest.approx(1 / 3)
    assert between.outcome is Outcome.PASS
    assert (null.estimate, null.limit, null.support) == (0.25, Limit(max=0.1), 4)
    assert (null.outcome, null.severity) == (Outcome.FAIL, "warning")
    assert mean.estimate == pytest.approx(250 / 3)
    assert (mean.limit, mean.outcome) == (Limit(min=10, max=50), Outcome.FAIL)
    assert (count.estimate, count.limit, count.attribute) == (4, Limit(min=4, max=4), None)
    assert (unique.attribute, unique.outcome) == ("age*sex", Outcome.PASS)
    assert distinct.outcome is Outcome.FAIL
    assert "m" in distinct.reason
    assert "missing x" in distinct.reason


def test_what_cannot_be_evaluated_is_an_error_and_spoils_nothing_else(tmp_path):
    judgement, checks = judged(
        tmp_path,
        {"age": [1, 2], "sex": ["f", "m"]},
        expectation("expect_column_mean_to_be_between", column="sex", min_value=1, max_value=2),
        expectation("expect_column_values_to_not_be_null", column="agee"),
        expectation("expect_column_values_to_not_be_null", column="age"),
        expectation("unexpected_rows_expectation", unexpected_rows_query="SELECT nothing FROM {batch}"),
        expectation("expect_column_mean_to_be_between", column="age", min_value=1, max_value=2),
    )
    assert [check.outcome.value for check in checks] == ["ERROR", "ERROR", "PASS", "ERROR", "PASS"]
    assert 'no column "agee" (did you mean "age"?)' in checks[1].reason
    assert judgement.outcome is Outcome.ERROR


def test_numbers_and_texts_in_one_column_are_told_as_that(tmp_path):
    (tmp_path / "d.csv").write_text("age\n1\nx\n2020-01-01\n")
    entry = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 0}}
    suite = {"expectations": [{**entry, "meta": {}, "severity": "critical"}]}
    [check] = judge(measure(files=[tmp_path / "d.csv"], suite=suite)).checks
    assert check.outcome is Outcome.ERROR
    assert '"age" is a column of texts' in check.reason
    assert check.reason.endswith("2 of 3 are no numbers")


def test_a_column_that_must_exist_and_does_not_is_a_failure(tmp_path):
    judgement, _ = judged(tmp_path, {"age": [1]}, expectation("expect_column_to_exist", column="sex"))
    assert judgement.outcome is Outcome.FAIL


def test_nothing_to_look_at_never_passes(tmp_path):
    table = {"age": pa.array([None, None], pa.int64()), "sex": ["f", "m"]}
    judgement, checks = judged(
        tmp_path, table, expectation("expect_column_values_to_be_between", column="age", min_value=0)
    )
    assert checks[0].outcome is Outcome.INCONCLUSIVE
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert judged(tmp_path, table)[0].outcome is Outcome.INCONCLUSIVE
    empty = {"age": pa.array([], pa.int64())}
    judgement, _ = judged(tmp_path, empty, expectation("expect_column_values_to_not_be_null", column="age"))
    assert judgement.outcome is Outcome.INCONCLUSIVE


def test_warnings_alone_do_not_decide(tmp_path):
    never = expectation("expect_column_values_to_be_in_set", "warning", column="sex", value_set=["x"])
    always = expectation("expect_column_values_to_not_be_null", column="sex")
    assert judged(tmp_path, {"sex": ["f"]}, never, always)[0].outcome is Outcome.PASS
    assert judged(tmp_path, {"sex": ["f"]}, never)[0].outcome is Outcome.INCONCLUSIVE


def test_a_reason_names_at_most_twenty_values(tmp_path):
    _, checks = judged(
        tmp_path,
        {"code": [f"c{n:03}" for n in range(100)]},
        expectation("expect_column_values_to_be_in_set", column="code", value_set=["x"]),
    )
    assert checks[0].reason.count("c0") == 20


def test_checks_are_told_apart(tmp_path):
    once = expectation("expect_column_values_to_not_be_null", column="sex")
    _, checks = judged(tmp_path, {"sex": ["f"], "age": [1]}, once, {**once, "kwargs": {"column": "age"}}, once)
    assert [check.name.partition(":")[2] for check in checks] == ["", "", "2"]
    assert len({(check.name, check.attribute) for check in checks}) == 3


def test_the_verdict_survives_json(tmp_path):
    judgement, _ = judged(
        tmp_path, {"sex": ["f", None]}, expectation("expect_column_values_to_not_be_null", column="sex")
    )
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="c")
    verdict = bind("contract", judgement, subject, Stopwatch())
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))).digest == verdict.digest


def test_csv_and_parquet_are_judged_alike(tmp_path):
    (tmp_path / "it's [1].csv").write_text('id,sex,age\n1,f,20\n2,NA,\n3,"NA",40\n')
    table = pa.table({"id": [1, 2, 3], "sex": ["f", None, "NA"], "age": [20, None, 40]})
    pq.write_table(table, tmp_path / "it's [1].parquet")
    suite = {
        "name": "t",
        "expectations": [
            expectation("expect_column_values_to_not_be_null", column="sex"),
            expectation("expect_column_values_to_be_in_set", column="sex", value_set=["f"]),
            expectation("expect_column_values_to_be_of_type", column="age", type_="BIGINT"),
            expectation("expect_column_mean_to_be_between", column="age", min_value=30, max_value=30),
        ],
    }
    csv, parquet = (measure(files=[tmp_path / f"it's [1].{end}"], suite=suite) for end in ("csv", "parquet"))
    assert csv == parquet
    assert [finding.met for finding in csv.findings] == [False, False, True, True]


def test_rows_of_several_files_count_together(tmp_path):
    for name, values in (("a", [1, 2]), ("b", [2, 3])):
        pq.write_table(pa.table({"id": values}), tmp_path / f"{name}.parquet")
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    evidence = measure(
        files=files,
        suite={"name": "t", "expectations": [expectation("expect_column_values_to_be_unique", column="id")]},
    )
    assert (evidence.rows, evidence.findings[0].unexpected) == (4, 2)


def test_unreadable_files_are_the_users_to_mend(tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "corrupt.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError) as caught:
        measure(files=[tmp_path / "absent.csv", tmp_path / "empty.csv", tmp_path / "x.csv"], suite=SUITE)
    assert len(caught.value.problems) == 3
    with pytest.raises(UserError, match="mixes CSV and Parquet"):
        measure(files=[tmp_path / "empty.csv", tmp_path / "corrupt.parquet"], suite=SUITE)
    with pytest.raises(UserError, match="neither"):
        measure(files=[tmp_path / "x.json"], suite=SUITE)
    with pytest.raises(UserError, match="cannot be read"):
        measure(files=[tmp_path / "corrupt.parquet"], suite=SUITE)
    with pytest.raises(UserError, match="no files"):
        measure(files=[], suite=SUITE)


FULL_DISK = """
import resource, sys
from pathlib import Path
from assay.core import UnavailableError
from assay.gates.contract import measure
resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    measure(files=[Path(sys.argv[1])], suite={"expectations": []})
except UnavailableError:
    sys.exit(4)
"""


@pytest.mark.parametrize("limit", [100, 50_000])
def test_a_full_disk_is_unavailable_and_nothing_stays(tmp_path, limit):
    (tmp_path / "scratch").mkdir()
    rows = "\n".join(f"{n},{n * n % 7919},{n * n % 104729}" for n in range(100_000))
    (tmp_path / "t.csv").write_text(f"id,a,b\n{rows}\n")
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK.replace("BYTES", str(limit)), tmp_path / "t.csv"],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(tmp_path / "scratch")},
    )
    assert run.returncode == 4, run.stderr
    assert list((tmp_path / "scratch").iterdir()) == []


def test_sql_of_a_suite_reads_its_data_and_nothing_else(tmp_path, capsys):
    (tmp_path / "secret.txt").write_text("secret")
    queries = [
        "SELECT * FROM {batch} WHERE n > 2",
        f"SELECT content FROM read_text('{tmp_path}/secret.txt')",
        f"COPY (SELECT 1) TO '{tmp_path}/written.csv'",
    ]
    _, checks = judged(
        tmp_path, {"n": [1, 2]}, *(expectation("unexpected_rows_expectation", unexpected_rows_query=q) for q in queries)
    )
    assert [check.outcome for check in checks] == [Outcome.PASS, *[Outcome.ERROR] * 2]
    assert "Permission" in checks[1].reason
    assert "must be a single SELECT" in checks[2].reason
    assert not (tmp_path / "written.csv").exists()
    assert capsys.readouterr().out == ""


def test_great_expectations_still_needs_the_adapter(monkeypatch):
    """When this fails, Great Expectations keeps DuckDB connections open by itself: drop the adapter's list."""
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    with open_batch([INCOME / "data" / "adult.parquet"]) as batch:
        own = tuple(name for name in engine._PERSISTED_CONNECTION_DIALECTS if name != "duckdb")
        monkeypatch.setattr(engine, "_PERSISTED_CONNECTION_DIALECTS", own)
        import great_expectations as gx

        found = batch.gx_batch.validate(gx.expectations.ExpectColumnMeanToBeBetween(column="age", min_value=0))
    assert "list index out of range" in str(found.exception_info)


def test_it_is_quiet_and_leaves_nothing_behind(tmp_path):
    script = (
        "import logging; logging.basicConfig(level='INFO'); "
        "from pathlib import Path; from assay.gates.contract import load_suite, measure; "
        f"measure(files=[Path({str(INCOME / 'data' / 'adult.parquet')!r})], "
        f"suite=load_suite(Path({str(INCOME / 'contract.json')!r})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, env={"TMPDIR": str(tmp_path)}
    )
    assert run.stdout + run.stderr == ""
    assert list(tmp_path.iterdir()) == []


findings = st.builds(
    Finding,
    expectation=st.just("e"),
    attribute=st.none(),
    severity=st.sampled_from(["critical", "warning", "info"]),
    met=st.sampled_from([True, False, None]),
    support=st.integers(0, 3),
)


@given(st.lists(findings))
def test_the_outcome_is_the_worst_critical_one_in_any_order(found):
    judgement = judge(ContractEvidence(rows=3, findings=found))
    assert judgement.outcome == judge(ContractEvidence(rows=3, findings=found[::-1])).outcome
    assert judgement.outcome == worst(c.outcome for c in judgement.checks if c.severity == "critical")
    for check, finding in zip(judgement.checks, found, strict=True):
        assert (check.outcome is Outcome.PASS) == (finding.met is True and finding.support != 0)


def test_names_may_be_as_long_as_anybody_likes(tmp_path):
    name, key = "a very long name " * 20, "key" * 100
    pd.DataFrame({key: range(3), name: [1, 2, 99]}).to_parquet(tmp_path / "rows.parquet")
    suite = {"name": "s", "expectations": [expectation("expect_column_values_to_be_between", column=name, max_value=9)]}
    (found,) = measure(files=[tmp_path / "rows.parquet"], suite=suite, key=key).findings
    assert [dict(row) for row in found.examples] == [{key: "2", name: "99"}]
