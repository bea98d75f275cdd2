"""Constant, empty and duplicate columns."""

import numpy as np
import pyarrow as pa
import pytest
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.constant import Commonest, judge
from assay.policy.builtin import Constant

N = 300
RNG = np.random.default_rng(0)
GOOD = {"id": range(N), "n": RNG.integers(0, 50, N), "t": RNG.choice(["a", "b"], N)}


def bad(folder, table, name, **parts):
    found = checks(folder, table, only(name, **parts))
    return {attribute for (_, attribute), check in found.items() if check.outcome is not Outcome.PASS}


@pytest.mark.parametrize("value", [7, 2.5, "x"])
def test_one_value_is_constant(tmp_path, value):
    assert bad(tmp_path, {**GOOD, "c": [value] * N}, "constant") == {"c"}
    assert bad(tmp_path, {**GOOD, "c": [value] * (N - 1) + [None]}, "constant") == {"c"}
    assert bad(tmp_path, GOOD, "constant") == set()


def test_a_limit_below_one_finds_nearly_constant_columns(tmp_path):
    table = {**GOOD, "c": ["x"] * (N - 3) + ["y"] * 3}
    assert bad(tmp_path, table, "constant") == set()
    assert bad(tmp_path, table, "constant", constant={"max_share": 0.98}) == {"c"}


def test_a_sample_of_one_value_is_not_yet_a_constant_column():
    (check,) = judge([Commonest(column="c", rows=2000, known=2000, sure=False)], Constant(), 0.95)
    assert check.outcome is Outcome.INCONCLUSIVE


def test_columns_without_values_are_found(tmp_path):
    table = {**GOOD, "none": pa.nulls(N), "text": pa.nulls(N, pa.string()), "half": [None, 1] * (N // 2)}
    assert bad(tmp_path, table, "all_null") == {"none", "text"}
    assert bad(tmp_path, table, "all_null", all_null={"max_share": 0.4}) == {"none", "text", "half"}


def test_columns_that_hold_the_same_are_found(tmp_path):
    table = {**GOOD, "again": GOOD["n"].astype(float), "other": GOOD["n"][::-1], "u": GOOD["t"], "c": [1] * N}
    assert bad(tmp_path, table, "duplicate_column") == {"again", "u"}
    check = checks(tmp_path, table, only("duplicate_column"))["duplicate_column", "again"]
    assert (check.estimate, check.severity) == (1, "warning")
    assert "holds what n holds in 300 of 300 rows" in check.reason
    (passed,) = checks(tmp_path, GOOD, only("duplicate_column")).values()
    assert passed.outcome is Outcome.PASS


def test_only_columns_that_are_used_count(tmp_path):
    roles = Roles(key="id", features=["n"], sensitive=["t"])
    table = {**GOOD, "c": [1] * N, "none": pa.nulls(N), "again": GOOD["n"]}
    found = checks(tmp_path, table, only("constant", "all_null", "duplicate_column"), roles=roles)
    assert {check.outcome for check in found.values()} == {Outcome.PASS}
