"""The performance gate: limits on whole intervals, and non-inferiority on the same rows."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import brier_score_loss, f1_score, log_loss, roc_auc_score
from tests.gates.performance_support import LIMITS, named, policy, run, world

from assay.core import Outcome, UserError
from assay.gates.performance import check_names, measure


def test_a_good_model_passes_with_scikit_learns_numbers():
    label, score = world()
    judgement = run(policy(), label, score)
    assert judgement.outcome is Outcome.PASS
    found = {check.name: check for check in judgement.checks}
    assert found["auc"].estimate == pytest.approx(roc_auc_score(label, score))
    assert found["brier"].estimate == pytest.approx(brier_score_loss(label, score))
    assert found["log_loss"].estimate == pytest.approx(log_loss(label, score))
    for check in judgement.checks:
        assert check.interval[0] <= check.estimate <= check.interval[1]
        assert (check.confidence, check.support, check.compare) == (0.95, 3000, "level")


def test_a_poor_model_fails():
    label, score = world()
    judgement = run(policy(), label, np.random.default_rng(1).permutation(score))
    assert {check.name: check.outcome for check in judgement.checks}["auc"] is Outcome.FAIL
    assert judgement.outcome is Outcome.FAIL


def test_little_data_is_inconclusive():
    label, score = world(150, seed=1)
    part = policy({"metric": "auc", "min": 0.8})
    assert run(part, label, score).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("value", [False, True])
def test_one_class_has_no_auc(value):
    _, score = world(200)
    (check,) = run(policy({"metric": "auc", "min": 0.5}), np.full(200, value), score).checks
    assert (check.outcome, check.estimate, check.interval) == (Outcome.INCONCLUSIVE, None, None)
    assert "auc needs rows of both classes" in check.reason


def test_no_rows_never_pass():
    judgement = run(policy(), np.zeros(0, bool), np.zeros(0))
    assert {check.outcome for check in judgement.checks} == {Outcome.INCONCLUSIVE}
    assert "no rows" in judgement.checks[0].reason


def test_perfect_scores_are_suspicious_and_do_not_pass():
    label, _ = world(200)
    judgement = run(policy(), label, label.astype(float))
    assert {check.outcome for check in judgement.checks} == {Outcome.INCONCLUSIVE}
    assert "gives the label away" in judgement.checks[0].reason


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1, np.inf])
def test_scores_that_are_no_probabilities_are_refused(bad):
    label, score = world(20)
    broken = score.copy()
    broken[:2] = bad
    with pytest.raises(UserError) as caught:
        run(policy(), label, broken, champion=broken)
    assert [p.path for p in caught.value.problems] == ["candidate", "champion"]
    assert "2 of 20 values" in str(caught.value)


CHAMPION = [{"metric": "auc", "margin": 0.02}, {"metric": "brier", "margin": 0.02}]


def test_without_a_champion_there_is_no_champion_check():
    label, score = world()
    names = [check.name for check in run(policy(champion=CHAMPION), label, score).checks]
    assert names == list(LIMITS)


@pytest.mark.parametrize(("worsening", "outcome"), [(0.0, Outcome.PASS), (0.02, Outcome.PASS), (1.5, Outcome.FAIL)])
def test_non_inferiority(worsening, outcome):
    label, champion = world()
    logit = np.log(champion / (1 - champion)) + np.random.default_rng(5).normal(0, worsening, len(label))
    judgement = run(policy(champion=CHAMPION), label, 1 / (1 + np.exp(-logit)), champion)
    versus = {check.name: check for check in judgement.checks if check.name.endswith("_vs_champion")}
    assert {check.outcome for check in versus.values()} == {outcome}
    assert versus["auc_vs_champion"].limit.max == 0.02
    assert versus["auc_vs_champion"].compare == "difference"
    assert worsening == 0 or versus["auc_vs_champion"].estimate > 0


def test_the_same_model_is_not_inferior_to_itself():
    label, score = world(100)
    judgement = run(policy(champion=CHAMPION), label, score, score)
    assert [c.interval for c in judgement.checks if "champion" in c.name] == [(0, 0), (0, 0)]


def test_more_checks_widen_every_interval():
    label, score = world()
    (alone,) = run(policy({"metric": "auc", "min": 0.7}), label, score).checks
    among = run(policy(champion=CHAMPION), label, score, score).checks[0]
    assert among.interval[0] < alone.interval[0] < alone.interval[1] < among.interval[1]


def test_the_order_of_rows_does_not_matter():
    label, score = world(500)
    order = np.random.default_rng(0).permutation(500)
    assert run(policy(), label, score) == run(policy(), label[order], score[order])


def test_later_attempts_are_judged_more_strictly():
    label, score = world()
    first, fifth = (run(policy(), label, score, attempt=attempt) for attempt in (1, 5))
    for one, other in zip(first.checks[:3], fifth.checks[:3], strict=True):
        assert other.interval[0] < one.interval[0] < one.interval[1] < other.interval[1]
        assert one.confidence == other.confidence == 0.95
    assert (fifth.budget.attempt, fifth.budget.level) == (5, pytest.approx(1 - 0.05 * 6 / (5 * np.pi) ** 2))
    assert run(policy(), label, score).budget is None


def test_the_seed_has_no_say_where_nothing_is_searched():
    label, score = world(500)
    assert run(policy(champion=CHAMPION), label, score, score**2, seed=1) == run(
        policy(champion=CHAMPION), label, score, score**2, seed=2
    )


def test_metrics_of_decisions_are_those_of_the_decisions_given():
    label, score = world()
    part = policy({"metric": "f1", "min": 0.3}, champion=[{"metric": "f1", "margin": 0.1}])
    decided = np.random.default_rng(1).random(3000) < 0.5
    found = named(run(part, label, score, score, prediction=decided, champion_prediction=score >= 0.5))
    assert found["f1"].estimate == pytest.approx(f1_score(label, decided))
    assert found["f1_vs_champion"].estimate == pytest.approx(f1_score(label, score >= 0.5) - f1_score(label, decided))


def test_everything_that_lacks_is_told_at_once():
    label, score = world(100)
    part = policy(
        {"metric": "accuracy", "min": 0.5},
        champion=[{"metric": "recall", "margin": 0.1}],
        slices=["sex"],
        floors=[{"metric": "auc", "min": 0.5}],
        latency=[{"rows": 1, "p50_ms": 1}],
        size_mb=1,
        weak_slices={"max_excess": 1},
    )
    with pytest.raises(UserError) as caught:
        measure(label=label, score=score, champion_score=score, policy=part, seed=0)
    found = [problem.path for problem in caught.value.problems]
    assert found == ["sex", "prediction", "champion_prediction", "model", "size", "columns"]


def test_reliability_stands_in_every_verdict():
    label, score = world()
    groups = run(policy(), label, score).groups
    assert [each.group["score"] for each in groups][:2] == ["[0, 0.1)", "[0.1, 0.2)"]
    assert groups[-1].group["score"] == "[0.9, 1]"
    assert sum(each.n for each in groups) == 3000
    for each in groups:
        low, high = each.metrics["base_rate"].interval
        assert low <= each.metrics["base_rate"].estimate <= high
        assert low <= each.metrics["mean_score"].estimate <= high  # the scores are the true probabilities


def test_the_names_are_told_beforehand():
    label, score = world(500)
    part = policy(
        champion=CHAMPION,
        cost={"currency": "USD", "tp": 0, "fp": 1, "fn": 2, "tn": 0, "max": 1, "margin": 1},
        slices=["sex", ["sex", "race"]],
        floors=[{"metric": "auc", "min": 0.1}, {"metric": "auc", "min": 0.2}],
        weak_slices={"max_excess": 1},
        latency=[{"rows": 2, "p50_ms": 9, "p99_ms": 9}],
        size_mb=1,
    )
    columns = {"sex": np.array(["F", "M"])[np.arange(500) % 2], "race": np.array(["x", "y"])[np.arange(500) % 2]}
    given = {"columns": columns, "inputs": {"age": score[:, None]}, "model": lambda rows: rows, "size": 5}
    for rival in (None, score):
        found = run(part, label, score, rival, **given)
        assert [(check.name, check.attribute) for check in found.checks] == check_names(part, rival=rival is not None)
    assert len(named(found)) == len(found.checks) == 4 + 2 + 2 + 4 + 1 + 2 + 1


def test_false_passes_at_the_limit_are_rarer_than_promised():
    """Seeded: the limits stand exactly at the truth, so any PASS is false."""
    label, score = world(1_000_000, seed=99)
    part = policy(
        {"metric": "auc", "min": float(roc_auc_score(label, score))},
        {"metric": "log_loss", "max": float(log_loss(label, score))},
        {"metric": "brier", "max": float(brier_score_loss(label, score))},
        confidence=0.8,
    )
    runs, passes = 300, 0
    for seed in range(runs):
        judgement = run(part, *world(400, seed=seed))
        passes += any(check.outcome is Outcome.PASS for check in judgement.checks)
    assert binom.sf(passes - 1, runs, 0.2) > 1e-3
