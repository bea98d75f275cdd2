import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.gates.contract.builtin.tables import NAMES, NOW, checks, only, written

from assay.core import Outcome, UserError
from assay.gates.contract import ContractEvidence, builtin
from assay.gates.contract import judge as judge_contract
from assay.gates.contract.builtin import CHECKS, BuiltInEvidence, Roles, judge, measure
from assay.policy.contract import Contract


def test_every_check_of_the_policy_has_its_module():
    assert set(CHECKS) == set(NAMES)


def test_a_column_with_a_role_that_is_not_there_fails(tmp_path):
    found = checks(
        tmp_path, {"id": [1, 2], "agge": [1, 2]}, only("pii"), roles=Roles(key="id", label="y", features=["age"])
    )
    assert found["absent_column", "age"].outcome is Outcome.FAIL
    assert 'did you mean "agge"?' in found["absent_column", "age"].reason
    assert found["absent_column", "y"].outcome is Outcome.FAIL


def test_a_check_that_is_off_is_not_made(tmp_path):
    table = {"id": range(9), "c": [1] * 9, "none": pa.nulls(9)}
    assert {name for name, _ in checks(tmp_path, table, only("all_null"))} == {"all_null"}


def test_intervals_hold_together_over_all_checks(tmp_path):
    rng = np.random.default_rng(0)
    table = {"id": range(500), "y": rng.integers(0, 2, 500), "x": rng.normal(size=500)}
    roles = Roles(key="id", label="y", positive=1)
    alone = checks(tmp_path, table, only("label_leakage"), roles=roles)["label_leakage", "x"]
    among = checks(tmp_path, table, only(*NAMES), roles=roles)["label_leakage", "x"]
    assert alone.confidence == among.confidence == 0.95
    assert among.interval[0] < alone.interval[0] < alone.interval[1] < among.interval[1]


def test_the_same_rows_give_the_same_evidence_and_the_same_judgement(tmp_path):
    rng = np.random.default_rng(0)
    table = {
        "id": range(500),
        "y": rng.integers(0, 2, 500),
        "x": rng.normal(size=500),
        "t": rng.choice(list("abc"), 500),
    }
    file, roles = written(tmp_path, table), Roles(key="id", label="y", positive=1, sensitive=["t"])
    one, other = (measure(files=[file], roles=roles, reference=[file], taken_at=NOW) for _ in range(2))
    assert pickle.dumps(judge(one)) == pickle.dumps(judge(other))
    pq.write_table(pa.table(table).slice(0, 200), tmp_path / "a.parquet")
    pq.write_table(pa.table(table).slice(200), tmp_path / "b.parquet")
    parts = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert judge(measure(files=parts, roles=roles, reference=[file], taken_at=NOW)) == judge(one)


def test_csv_and_parquet_are_judged_alike(tmp_path):
    frame = pa.table({"id": range(200), "y": [0, 1] * 100, "x": np.arange(200) / 7, "t": ["a", None] * 100}).to_pandas()
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    roles = Roles(key="id", label="y", positive=1)
    csv, parquet = (judge(measure(files=[tmp_path / f"t.{end}"], roles=roles)) for end in ("csv", "parquet"))
    assert csv == parquet


@pytest.mark.parametrize(
    "table",
    [
        {"id": [1, 1], "x": [1, 1]},
        {"id": [1, 2], "x": pa.nulls(2)},
        {"id": [1, 2], "l": [[1], [2, 3]], "s": [{"a": 1}, {"a": 2}]},
        {"id": [1, 2], "x": [float("nan")] * 2, "big": pa.array([2**70, 1], pa.decimal128(30, 0))},
        {"id": [1, 2], 'a "b", {rows}': ["x", "y"], "b": [b"1", None], "t": pa.array([1, 2], pa.time64("us"))},
    ],
)
def test_odd_tables_are_looked_at(tmp_path, table):
    found = checks(tmp_path, table, only(*NAMES), reference=table, roles=Roles(key="id", label="x"))
    assert found
    assert not any(check.outcome is Outcome.ERROR for check in found.values())


def test_endless_numbers_maps_and_times_with_a_zone_are_looked_at(tmp_path):
    table = {
        "id": [1, 2, 3],
        "x": [float("inf"), -float("inf"), None],
        "m": pa.array([[("a", 1)], [("b", 2)], None], pa.map_(pa.string(), pa.int64())),
        "at": pa.array([1, 2, 3], pa.timestamp("s", tz="Europe/Berlin")),
        "y": [True, False, None],
    }
    roles = Roles(key="id", label="y", positive=True, time="at")
    found = checks(tmp_path, table, only(*NAMES), reference=table, roles=roles)
    assert not any(check.outcome is Outcome.ERROR for check in found.values())
    assert found["future_times", "at"].outcome is Outcome.PASS


def test_thousands_of_columns_are_looked_at(tmp_path):
    table = {f"c{at}": [at, at + 1, 0] for at in range(1500)}
    assert checks(tmp_path, table, only(*NAMES), roles=Roles())


def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 but not for long")
    with pytest.raises(UserError, match="cannot be read"):
        measure(files=[tmp_path / "cut.parquet"], roles=Roles())


def test_a_name_that_duckdb_needs_itself_is_a_mistake_of_the_parquet_file(tmp_path):
    with pytest.raises(UserError, match="File_Row_Number: is a name"):
        checks(tmp_path, {"id": [1, 2], "File_Row_Number": [1, 2]}, only("all_null"))
    (tmp_path / "rows.csv").write_text("id,file_row_number\n1,1\n2,2\n")
    found = measure(files=[tmp_path / "rows.csv"], roles=Roles(key="id"), policy=only("all_null"))
    assert found.rows == 2


def test_the_contract_gate_is_decided_by_both():
    failing = BuiltInEvidence(rows=0, found={"volume": builtin.gate.volume.Rows(rows=0, usual=())})
    alone = ContractEvidence(rows=0, findings=(), beyond=failing, suited=False)
    assert judge_contract(alone).outcome is Outcome.ERROR
    assert judge_contract(ContractEvidence(rows=0, findings=(), beyond=failing)).outcome is Outcome.INCONCLUSIVE
    assert judge_contract(alone, Contract(volume=None)).outcome is Outcome.INCONCLUSIVE
