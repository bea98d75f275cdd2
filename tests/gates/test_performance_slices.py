"""Floors for the worst of the declared slices: one interval for all of them, and nothing left out in silence."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import log_loss, roc_auc_score
from tests.gates.performance_support import named, policy, run, world

from assay.core import Outcome, UserError

FLOOR = {"metric": "auc", "min": 0.7}


def sliced(*floors, slices=("sex",), **more):
    return policy({"metric": "auc", "min": 0.1}, slices=list(slices), floors=list(floors) or [FLOOR], **more)


def people(n=4000, seed=0, *, blind=False):
    """Rows with two columns; with `blind` the scores of women say nothing."""
    label, score = world(n, seed)
    random = np.random.default_rng(seed + 1000)
    columns = {"sex": random.choice(np.array(["F", "M"], dtype=object), n), "age": random.uniform(18, 80, n)}
    if blind:
        women = columns["sex"] == "F"
        score[women] = random.permutation(score[women])
    return label, score, columns


def test_each_slice_stands_in_the_groups_with_scikit_learns_numbers():
    label, score, columns = people()
    part = sliced(FLOOR, {"metric": "log_loss", "max": 0.9}, slices=["sex", ["sex", "age"]], edges={"age": [40, 60]})
    judgement = run(part, label, score, columns=columns)
    groups = [group for group in judgement.groups if "score" not in group.group]
    assert [group.group for group in groups][:3] == [{"sex": "F"}, {"sex": "M"}, {"sex": "F", "age": "< 40"}]
    assert len(groups) == 2 + 6
    women = columns["sex"] == "F"
    assert groups[0].n == women.sum()
    assert groups[0].metrics["auc"].estimate == pytest.approx(roc_auc_score(label[women], score[women]))
    assert groups[0].metrics["log_loss"].estimate == pytest.approx(log_loss(label[women], score[women]))
    found = named(judgement)["auc_worst_slice sex*age"]
    inside = [group.metrics["auc"] for group in groups[2:]]
    assert found.estimate == min(each.estimate for each in inside)
    assert found.interval == (min(each.interval[0] for each in inside), min(each.interval[1] for each in inside))
    assert found.groups[0] in [group.group for group in groups[2:]]


def test_a_blind_slice_fails_and_is_named():
    label, score, columns = people(blind=True)
    judgement = run(sliced(), label, score, columns=columns)
    check = named(judgement)["auc_worst_slice sex"]
    assert (check.outcome, check.groups) == (Outcome.FAIL, [{"sex": "F"}])
    assert "the worst of 2 is sex=F" in check.reason
    assert judgement.outcome is Outcome.FAIL


def test_a_ceiling_looks_at_the_highest():
    label, score, columns = people(blind=True)
    check = named(run(sliced({"metric": "log_loss", "max": 0.6}), label, score, columns=columns))
    assert check["log_loss_worst_slice sex"].groups == [{"sex": "F"}]
    assert check["log_loss_worst_slice sex"].outcome is Outcome.FAIL


def test_missing_values_are_a_slice_of_their_own():
    label, score, columns = people()
    columns["sex"][:500] = None
    groups = run(sliced(), label, score, columns=columns).groups
    assert {"sex": "(missing)"} in [group.group for group in groups]


def test_a_small_slice_is_inconclusive_with_its_n():
    label, score, columns = people()
    columns["sex"][:30] = "X"
    check = named(run(sliced(), label, score, columns=columns))["auc_worst_slice sex"]
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "not measured, fewer than 100 rows: sex=X (30 rows)" in check.reason


def test_a_slice_of_one_class_is_inconclusive_and_one_of_few_positives_too():
    label, score, columns = people()
    for positives, words in ((0, "auc needs rows of both classes"), (5, "how sure that is cannot be told")):
        women = np.flatnonzero(columns["sex"] == "F")
        label[women] = np.arange(len(women)) < positives
        check = named(run(sliced(), label, score, columns=columns))["auc_worst_slice sex"]
        assert check.outcome is Outcome.INCONCLUSIVE
        assert words in check.reason


def test_what_fails_without_a_small_slice_fails_with_it():
    label, score, columns = people(blind=True)
    columns["sex"][:30] = "X"
    check = named(run(sliced(), label, score, columns=columns))["auc_worst_slice sex"]
    assert check.outcome is Outcome.FAIL
    assert "sex=X (30 rows)" in check.reason


def test_no_rows_never_pass():
    columns = {"sex": np.zeros(0, dtype=object)}
    check = named(run(sliced(), np.zeros(0, bool), np.zeros(0), columns=columns))["auc_worst_slice sex"]
    assert (check.outcome, check.estimate) == (Outcome.INCONCLUSIVE, None)


def test_more_slices_widen_every_interval():
    label, score, columns = people()
    columns["many"] = np.random.default_rng(3).choice(np.array(list("abcdefgh"), dtype=object), 4000)
    columns["two"] = np.where(np.isin(columns["many"], list("abcd")), "a", columns["many"]).astype(object)
    groups = run(sliced(slices=["two"]), label, score, columns=columns).groups
    others = run(sliced(slices=["many"]), label, score, columns=columns).groups
    one, other = (next(g for g in found if "h" in g.group.values()).metrics["auc"] for found in (groups, others))
    assert other.interval[0] < one.interval[0] < one.interval[1] < other.interval[1]


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({}, {}, 'sex: no such slice column'),
        ({"sex": np.arange(201)}, {}, "sex: has 201 values to slice by (cut numbers at `edges`"),
        ({"sex": np.array(["F"] * 201)}, {"edges": {"sex": [1]}}, "sex: 'F' is not a number"),
    ],
)  # fmt: skip
def test_columns_that_make_no_slices_are_refused(columns, more, message):
    label, score = world(201)
    with pytest.raises(UserError) as caught:
        run(sliced(**more), label, score, columns=columns)
    assert message in str(caught.value)


def test_too_many_combinations_are_refused():
    label, score = world(3000)
    columns = {name: np.arange(3000) % 150 for name in ("a", "b")}
    with pytest.raises(UserError, match="may make 22,500 slices; 1,000 are the most"):
        run(sliced(slices=[["a", "b"]]), label, score, columns=columns)


def test_false_passes_are_rarer_than_promised():
    """Seeded: every slice stands exactly at the floor, so that any PASS is false."""
    label, score = world(1_000_000, seed=99)
    part = sliced({"metric": "auc", "min": float(roc_auc_score(label, score))}, slices=["g"], confidence=0.8)
    runs, wrong = 200, {Outcome.PASS: 0, Outcome.FAIL: 0}
    for seed in range(runs):
        label, score = world(1200, seed)
        check = named(run(part, label, score, columns={"g": np.arange(1200) % 6}))["auc_worst_slice g"]
        if check.outcome in wrong:
            wrong[check.outcome] += 1
    assert binom.sf(sum(wrong.values()) - 1, runs, 0.2) > 1e-3, wrong
