"""Every metric equals fairlearn's and scikit-learn's, with weights, missing groups and empty cells."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import binom
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score
from tests.gates.fairness_support import check, counts, people, policy

from assay.core import MISSING, Outcome, UserError
from assay.gates.fairness import FairnessEvidence, GroupCounts, judge, measure
from assay.gates.fairness.scores import BINS
from assay.stats.influence import Sample, level
from assay.stats.intervals import rates
from assay.stats.spread import range_difference

RATES = ("selection_rate", "base_rate", "accuracy", "tpr", "fpr", "tnr", "fnr", "ppv", "npv", "fdr", "for")
SCORES = ("auc", "brier", "log_loss", "ece")


def long_hand(label, prediction, weight):
    """The rates from scikit-learn's confusion matrix; NaN where theirs is 0 of 0."""
    tn, fp, fn, tp = confusion_matrix(label, prediction, sample_weight=weight, labels=[False, True]).ravel()
    parts = {
        "selection_rate": (tp + fp, tp + fp + fn + tn),
        "base_rate": (tp + fn, tp + fp + fn + tn),
        "tpr": (tp, tp + fn),
        "fpr": (fp, fp + tn),
        "tnr": (tn, fp + tn),
        "fnr": (fn, tp + fn),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
        "fdr": (fp, tp + fp),
        "for": (fn, tn + fn),
    }
    found = {name: part / whole if whole else np.nan for name, (part, whole) in parts.items()}
    return found | {"accuracy": accuracy_score(label, prediction, sample_weight=weight)}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_fairlearn_and_scikit_learn(weighted, seed):
    rows = people(seed=seed)
    if not weighted:
        rows["weights"] = None
    part = policy(groups=["sex", "race", ["sex", "race"]])
    judgement = judge(measure(**rows, policy=part), part)
    weight = np.ones(len(rows["label"])) if rows["weights"] is None else rows["weights"]
    known = {name: pd.Series(values).fillna(MISSING) for name, values in rows["groups"].items() if name != "age"}
    frame = MetricFrame(
        metrics=lambda y, p, w: long_hand(y, p, w),
        y_true=rows["label"],
        y_pred=rows["prediction"],
        sensitive_features=pd.DataFrame(known),
        sample_params={"w": weight},
    )
    for group in judgement.groups:
        inside = np.logical_and.reduce([(known[column] == value).to_numpy() for column, value in group.group.items()])
        label, score, own = rows["label"][inside], rows["score"][inside], weight[inside]
        assert group.n == inside.sum()
        theirs = long_hand(label, rows["prediction"][inside], own)
        if len(group.group) == 2:
            assert theirs == pytest.approx(frame.by_group[group.group["sex"], group.group["race"]], nan_ok=True)
        for name in RATES:
            estimate = group.metrics[name].estimate
            assert (estimate is None and np.isnan(theirs[name])) or estimate == pytest.approx(theirs[name], abs=1e-12)
        if label.any():
            assert group.metrics["auc"].estimate == pytest.approx(
                roc_auc_score(label, score, sample_weight=own), abs=2e-4
            )
        else:
            assert group.metrics["auc"].estimate is None
        brier = brier_score_loss(label, score, sample_weight=own, pos_label=True)
        assert group.metrics["brier"].estimate == pytest.approx(brier)
        loss = log_loss(label, score, sample_weight=own, labels=[False, True])
        assert group.metrics["log_loss"].estimate == pytest.approx(loss)
        assert group.metrics["mean_score"].estimate == pytest.approx(np.average(score, weights=own))


def test_scores_on_the_grid_of_the_bins_lose_nothing():
    random = np.random.default_rng(0)
    score = random.integers(0, BINS + 1, 500) / BINS
    score[score == 1] = 0
    label = random.random(500) < score
    part = policy()
    sex = {"sex": np.full(500, "F", dtype=object)}
    (group,) = judge(measure(label=label, prediction=label, groups=sex, score=score, policy=part), part).groups
    assert group.metrics["auc"].estimate == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_errors_of_scores_are_those_of_unbinned_ones():
    rows = people(2000)
    rows["groups"]["sex"][:] = "F"
    rows["score"] = rows["score"] ** 2
    part = policy()
    ((group,),) = measure(**rows | {"weights": None}, policy=part).attributes.values()
    unbinned = Sample(label=rows["label"], score=rows["score"])
    for metric in SCORES:
        ours, theirs = group.scores.estimate(metric), level(metric, unbinned)
        assert ours.value == pytest.approx(theirs.value, rel=1e-3)
        assert ours.lift == pytest.approx(theirs.lift)
        assert ours.error == pytest.approx(theirs.error, rel=1e-3)


def test_doubling_every_weight_changes_nothing_and_equal_weights_are_none():
    rows = people()
    part = policy(check("tpr"), check("auc"), check("selection_rate", compare="ratio", min=0.1))
    plain, equal = (judge(measure(**rows | {"weights": w}, policy=part), part) for w in (None, np.full(3000, 2.0)))
    assert [c.outcome for c in plain.checks] == [c.outcome for c in equal.checks]
    for one, other in zip(plain.checks, equal.checks, strict=True):
        assert one.interval == pytest.approx(other.interval)
    weighted = judge(measure(**rows, policy=part), part)
    assert np.diff(weighted.checks[0].interval) > np.diff(plain.checks[0].interval)  # unequal weights tell less


def test_a_reference_group_is_what_the_others_are_held_against():
    groups = [counts("F", 400, 600), counts("M", 500, 500), counts("X", 600, 400)]
    everyone, against = (
        only(groups, policy(check("tpr", max=0.3), **more)) for more in ({}, {"reference": {"sex": "M"}})
    )
    assert everyone.estimate == pytest.approx(0.2)
    assert against.estimate == pytest.approx(0.1)
    assert {"sex": "M"} in against.groups
    lost = only(groups, policy(check(), reference={"sex": "Q"}))
    assert (lost.outcome, lost.estimate) == (Outcome.INCONCLUSIVE, None)
    assert "the reference group sex=Q cannot be measured or does not occur" in lost.reason


def only(groups, part):
    (found,) = judge(FairnessEvidence(attributes={"sex": groups}), part).checks
    return found


@pytest.mark.parametrize(
    ("limit", "estimate", "outcome"),
    [
        ({"min": 0.3}, 0.4, Outcome.PASS),
        ({"min": 0.4}, 0.4, Outcome.INCONCLUSIVE),
        ({"min": 0.5}, 0.4, Outcome.FAIL),
        ({"max": 0.7}, 0.6, Outcome.PASS),
        ({"max": 0.5}, 0.6, Outcome.FAIL),
    ],
)
def test_a_level_is_held_for_the_worst_group(limit, estimate, outcome):
    part = policy(check("tpr", compare="level", **limit))
    found = only([counts("F", 400, 600), counts("M", 600, 400)], part)
    assert (found.name, found.estimate, found.outcome) == ("tpr_level", estimate, outcome)
    small = only([counts("F", 400, 600), counts("M", 600, 400), counts("X", 1, 1)], part)
    assert small.outcome is (Outcome.FAIL if outcome is Outcome.FAIL else Outcome.INCONCLUSIVE)


def test_one_group_has_a_level():
    assert only([counts("F", 400, 600)], policy(check(compare="level", min=0.3))).outcome is Outcome.PASS


def test_a_stratum_that_a_group_lacks_is_told():
    groups = {"sex": np.repeat(["F", "M"], 500).astype(object), "job": np.repeat(["x", "x", "y", "x"], 250)}
    label = np.tile([True, False], 500)
    part = policy(check("tpr", within="job"))
    found = judge(measure(label=label, prediction=label, groups=groups, policy=part), part).checks[0]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "no positives in job y: sex=F (500 rows)" in found.reason


def test_numbers_are_cut_at_edges():
    rows = people()
    age = np.append(rows["groups"]["age"][:-1].astype(object), None)
    part = policy(groups=["age"], edges={"age": [25, 65]})
    ages = {g.group["age"]: g.n for g in measure(**rows | {"groups": {"age": age}}, policy=part).attributes["age"]}
    numbers = age[:-1].astype(int)
    assert ages == {
        "< 25": (numbers < 25).sum(),
        "[25, 65)": ((numbers >= 25) & (numbers < 65)).sum(),
        ">= 65": (numbers >= 65).sum(),
        MISSING: 1,
    }
    with pytest.raises(UserError, match="age: 'old' is not a number"):
        measure(**rows | {"groups": {"age": np.full(3000, "old", dtype=object)}}, policy=part)


def test_bad_input_is_told_together():
    rows = people() | {"score": None, "weights": np.full(3000, -1.0)}
    with pytest.raises(UserError) as caught:
        measure(**rows, policy=policy(check("auc"), groups=["sxe"]))
    assert [p.path for p in caught.value.problems] == ["sxe", "gates.fairness.checks", "weights"]
    with pytest.raises(UserError, match="weights: are all 0"):
        measure(**rows | {"weights": np.zeros(3000)}, policy=policy())


def test_a_row_that_stands_for_several_is_several():
    rows = people(200) | {"score": None, "weights": None}
    times = np.random.default_rng(1).integers(1, 5, 200)
    part = policy(groups=["sex", ["sex", "race"]])
    again = {name: np.repeat(rows[name], times) for name in ("label", "prediction")}
    again["groups"] = {name: np.repeat(values, times) for name, values in rows["groups"].items()}
    assert measure(**rows, policy=part, times=times) == measure(**again, policy=part)
    with pytest.raises(ValueError, match="neither scores nor weights"):
        measure(**people(200), policy=part, times=times)


def test_simulated_joint_level_of_a_whole_gate():
    """Seeded: no difference anywhere, three metrics of four groups; any interval that misses 0 is an error."""
    random, runs, errors = np.random.default_rng(4), 120, 0
    part = policy(*(check(m, min=0.0) for m in ("tpr", "fpr", "selection_rate")), confidence=0.9, min_group_size=1)
    for _ in range(runs):
        table = random.multinomial([200, 300, 400, 900], [0.2, 0.1, 0.2, 0.5])
        groups = [GroupCounts(group={"sex": str(i)}, tp=a, fp=b, fn=c, tn=d) for i, (a, b, c, d) in enumerate(table)]
        judgement = judge(FairnessEvidence(attributes={"sex": groups}), part)
        errors += any(found.interval[0] > 0 for found in judgement.checks)
    assert binom.sf(errors - 1, runs, 0.1) > 1e-3
    assert errors > 0


def test_joint_intervals_are_narrower_than_bonferronis():
    groups = [counts(str(i), 400 + 10 * i, 600) for i in range(6)]
    part = policy(check("tpr"), check("fnr"))

    one, other = judge_all(groups, part)
    each = 1 - 0.05 / (2 * 15)
    wide = range_difference(rates([g.tp for g in groups], [g.tp + g.fn for g in groups], each))
    assert wide.low <= one.interval[0] <= one.interval[1] < wide.high
    assert one.interval == pytest.approx(other.interval)  # one rate is the other's complement


def judge_all(groups, part):
    return judge(FairnessEvidence(attributes={"sex": groups}), part).checks
