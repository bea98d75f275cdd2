"""Duplicate rows, and rows on both sides of a split."""

import numpy as np
import pytest
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome, UserError
from assay.gates.contract.builtin import Roles, twins

N = 4000


def table(seed=0, columns=4):
    rng = np.random.default_rng(seed)
    return {"id": np.arange(N)} | {f"c{at}": rng.integers(0, 5000, N) for at in range(columns)}


@pytest.mark.parametrize(("share", "outcome"), [(0.0, Outcome.PASS), (0.005, Outcome.PASS), (0.05, Outcome.FAIL)])
def test_rows_repeated_under_other_keys_are_counted(tmp_path, share, outcome):
    data, k = table(), int(share * N)
    for name in ("c0", "c1", "c2", "c3"):
        data[name][:k] = data[name][N - k :]
    check = checks(tmp_path, data, only("duplicate_rows"))["duplicate_rows", None]
    assert (check.outcome, check.severity) == (outcome, "warning")
    assert check.estimate == check.interval[0] == pytest.approx(share)


def test_nulls_are_equal_and_two_equal_columns_do_not_hide_a_difference(tmp_path):
    data = {"id": range(4), "a": [1, 2, None, None], "b": [1, 2, None, None], "c": ["x", "x", "x", "x"]}
    check = checks(tmp_path, data, only("duplicate_rows"))["duplicate_rows", None]
    assert check.estimate == 0.25
    testing = [True, False, False, False]  # rows 0 and 1 differ in two columns that are equal to each other
    found = checks(tmp_path, data, only("split_overlap"), testing=testing)
    assert found["split_overlap", None].estimate == 0


def test_a_sample_of_a_large_table_estimates_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(twins, "SAMPLE", 500)
    monkeypatch.setattr(twins, "sampling", lambda rows, most=500, of=twins.sampling: of(rows, most))
    held = 0
    for seed in range(15):
        data, k = table(seed), N // 5
        for name in ("c0", "c1", "c2", "c3"):
            data[name][:k] = data[name][N - k :]
        check = checks(tmp_path, data, only("duplicate_rows"))["duplicate_rows", None]
        assert 400 < check.support < 1100
        held += check.interval[0] <= 0.2 <= check.interval[1]
    assert held >= 12


def split(seed=0):
    return np.random.default_rng(seed).random(N) < 0.3


def test_a_split_without_twins_passes(tmp_path):
    found = checks(tmp_path, table(), only("split_overlap"), testing=split())
    assert {check.outcome for check in found.values()} == {Outcome.PASS}
    assert found["split_overlap", None].support == split().sum()


@pytest.mark.parametrize("changed", [None, "c2"])
def test_rows_for_testing_that_are_in_training_fail(tmp_path, changed):
    data, testing = table(), split()
    to, source = np.flatnonzero(testing)[:200], np.flatnonzero(~testing)[:200]
    for name in ("c0", "c1", "c2", "c3"):
        data[name] %= 200  # no column tells rows apart by itself
        if name != changed:
            data[name][to] = data[name][source]
    found = checks(tmp_path, data, only("split_overlap"), testing=testing)
    exact, near = found.values()  # the near one is about the column in which it is largest
    assert changed in (None, near.attribute)
    assert exact.outcome is (Outcome.FAIL if changed is None else Outcome.PASS)
    assert (near.outcome, near.severity) == (Outcome.FAIL, "warning")
    failed = exact if changed is None else near
    assert failed.estimate == pytest.approx(200 / testing.sum(), abs=0.01)
    assert "the same as rows for training" in failed.reason


def test_a_column_that_tells_rows_apart_is_not_left_out(tmp_path):
    data = {**table(), "c0": np.zeros(N, dtype=int), "c1": np.zeros(N, dtype=int), "c2": np.arange(N) / 7}
    data["c3"] %= 3
    found = checks(tmp_path, data, only("split_overlap"), testing=split())
    assert all(check.outcome is Outcome.PASS for check in found.values())


def test_a_split_of_other_rows_is_refused(tmp_path):
    with pytest.raises(UserError, match="the data have 4,000"):
        checks(tmp_path, table(), only("split_overlap"), testing=[True])


def test_nobody_to_test_is_inconclusive_and_no_split_no_check(tmp_path):
    found = checks(tmp_path, table(), only("split_overlap"), testing=np.zeros(N, dtype=bool))
    assert found["split_overlap", None].outcome is Outcome.INCONCLUSIVE
    assert checks(tmp_path, table(), only("split_overlap")) == {}
    assert checks(tmp_path, {"id": [1]}, only("duplicate_rows"), roles=Roles(key="id")) == {}
