"""What held between columns and holds no longer, though every column is as it was by itself."""

import numpy as np
import pytest
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.association_shift import bonds, judge
from assay.gates.contract.builtin.facts import Values
from assay.policy.builtin import AssociationShift
from assay.stats.association import follows, pattern, ratio_interval

ROLES = Roles(key="id", label="y", positive=1)
N = 6000


def table(seed, n=N):
    rng = np.random.default_rng(seed)
    wealth = rng.normal(size=n)
    return {
        "id": np.arange(n),
        "y": (wealth + rng.normal(size=n) > 0.8).astype(int),
        "rent": wealth * 100 + rng.normal(size=n) * 60,
        "area": [f"a{at}" for at in np.digitize(wealth + rng.normal(size=n) * 0.7, [-1, 0, 1])],
        "luck": rng.normal(size=n),
    }


def moved(folder, now, then=None, **parts):
    names = () if parts else ("association_shift",)
    return checks(folder, now, only(*names, **parts), reference=then or table(1), roles=ROLES)


def dealt_anew(column, share, seed=2):
    data, rng = table(seed), np.random.default_rng(seed)
    values, at = np.array(data[column]), rng.permutation(N)[: int(share * N)]
    values[at] = values[rng.permutation(at)]
    return {**data, column: values}


def test_what_still_goes_together_passes_and_what_never_did_has_no_check(tmp_path):
    found = moved(tmp_path, table(2, 20_000), table(1, 20_000))
    assert {check.outcome for check in found.values()} == {Outcome.PASS}
    (check,) = found.values()
    assert (check.metric, check.compare, check.severity) == ("association", "ratio", "critical")
    assert "2 other columns keep" in check.reason
    assert "luck" not in {attribute for _, attribute in found}


@pytest.mark.parametrize("column", ["rent", "area", "y"])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_column_dealt_anew_fails_by_as_much_as_was_dealt(tmp_path, column, share):
    check = moved(tmp_path, dealt_anew(column, share))["association_shift", column]
    assert check.outcome is Outcome.FAIL
    assert check.estimate == pytest.approx(1 - share, abs=0.1)
    assert check.interval[0] < 1 - share < check.interval[1]
    assert "of its values stood in the wrong rows: look at joins" in check.reason


def test_rows_that_come_in_turns_are_looked_at_like_any_others(tmp_path):
    def in_turns(data):
        order = np.argsort(-np.asarray(data["y"]), kind="stable")
        order = np.ravel(order[: len(order) // 2 * 2].reshape(2, -1), order="F")
        return {**{name: np.asarray(cells)[order] for name, cells in data.items()}, "y": np.arange(len(order)) % 2}

    check = moved(tmp_path, in_turns(dealt_anew("rent", 1.0)), in_turns(table(1)))["association_shift", "y"]
    assert check.outcome is Outcome.FAIL


def test_a_sign_turned_is_a_loss_too(tmp_path):
    now = table(2)
    now["rent"] = -now["rent"]
    assert moved(tmp_path, now)["association_shift", "rent"].estimate < -0.5


def test_missing_values_alone_leave_what_holds_between_the_others(tmp_path):
    now = table(2)
    now["rent"] = np.where(np.arange(N) % 2, now["rent"], np.nan)
    found = moved(tmp_path, now)
    assert all(check.outcome is Outcome.PASS or check.severity == "info" for check in found.values())


def test_of_few_rows_it_is_told_that_they_do_not_tell(tmp_path):
    (check,) = moved(tmp_path, table(2, 300), table(1, 300)).values()
    assert (check.outcome, check.severity) == (Outcome.INCONCLUSIVE, "info")
    assert "it takes about" in check.reason
    strict = moved(tmp_path, table(2, 300), table(1, 300), association_shift={"undecided": "critical"})
    assert {check.severity for check in strict.values()} == {"critical"}


def test_gone_retyped_and_empty_columns_are_not_compared(tmp_path):
    now = table(2)
    del now["area"]
    now["rent"] = now["rent"].astype(str)
    now["luck"] = np.full(N, np.nan)
    assert moved(tmp_path, now) == {}
    assert checks(tmp_path, table(2), only("association_shift"), roles=ROLES) == {}


def test_so_many_intervals_hold_the_truth_as_they_promise():
    rng = np.random.default_rng(0)
    weights = pattern(rng.multinomial(4000, [0.4, 0.1, 0.1, 0.4]).reshape(2, 2).astype(float))
    left, held = 0.7, 0
    chances = [0.25 + left * 0.15, 0.25 - left * 0.15, 0.25 - left * 0.15, 0.25 + left * 0.15]
    for _ in range(1000):
        sides = [rng.multinomial(800, p).reshape(2, 2).astype(float) for p in ([0.4, 0.1, 0.1, 0.4], chances)]
        (before, its), (after, other) = ((value, np.sqrt((side / 800 * pulls**2).sum() / 800))
                                         for side in sides for value, pulls in [follows(side, weights)])  # fmt: skip
        low, high = ratio_interval(after, other, before, its, 0.9)
        held += low <= left <= high
    print(f"held {held} of 1000 at 0.9")
    assert held == pytest.approx(900, abs=30)


def test_it_may_be_anything_when_nothing_held_before():
    assert ratio_interval(0.1, 0.1, 0.1, 0.1, 0.95) is None
    assert ratio_interval(0.1, 0.0, -1.0, 0.0, 0.95) is None


def resample(n, seed, share):
    made = table(seed, 2 * n)
    columns = {}
    for name in ("y", "rent", "luck", "area"):
        values = np.asarray(made[name])
        if name == "area":
            texts, codes = np.unique(values, return_inverse=True)
            sides = [Values(codes=part.astype(np.int64), texts=list(texts)) for part in (codes[:n], codes[n:])]
        else:
            new = values[n:].astype(float)
            if name == "rent" and share:
                at = np.random.default_rng(seed).permutation(n)[: int(share * n)]
                new[at] = np.roll(new[at], 1)
            sides = [Values(numbers=values[:n].astype(float)), Values(numbers=new)]
        columns[name] = tuple(sides)
    return columns


@pytest.mark.parametrize(
    ("n", "share", "least", "most"), [(200, 0, 0, 0.01), (1000, 0, 0, 0.01), (1000, 0.6, 0.95, 1), (5000, 0.2, 0.9, 1)]
)
def test_how_often_it_blocks(n, share, least, most):
    times = 200 if n <= 1000 else 30
    stopped = 0
    for seed in range(times):
        found = judge(bonds(resample(n, seed, share)), AssociationShift(), 0.995)
        stopped += any(check.severity == "critical" and check.outcome is not Outcome.PASS for check in found)
    print(f"{n} rows, {share:.0%} dealt anew: {stopped} of {times} block")
    assert least <= stopped / times <= most
