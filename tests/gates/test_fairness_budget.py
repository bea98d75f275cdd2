"""One budget of error over all attempts: retrying until green does not work."""

import numpy as np
import pytest
from scipy.stats import binom
from tests.gates.fairness_support import check, counts, judged, policy

from assay.core import Budget, Outcome
from assay.gates.fairness import FairnessEvidence, GroupCounts, judge, measure

PART = policy(check("tpr", max=0.1), confidence=0.9)
RUNS, RETRIES, POSITIVES = 150, 20, 400
KEPT = 0.5  # of the holdout's people, the share that a retraining decides as the one before would


def retrained(random, rate):
    """How many positives each of some equally unfair models finds among the same people."""
    ease = np.where(
        random.random((RETRIES, POSITIVES)) < KEPT, random.random(POSITIVES), random.random((RETRIES, POSITIVES))
    )
    return (ease < rate).sum(axis=1).tolist()


def test_twenty_retries_of_an_unfair_model_pass_no_more_often_than_stated(capsys):
    """Seeded: each holdout is drawn once, then retried; the true gap lies just above the limit."""
    random = np.random.default_rng(11)
    ever = {"counted": 0, "uncounted": 0}
    for _ in range(RUNS):
        tries = list(zip(retrained(random, 0.6), retrained(random, 0.499), strict=True))
        for kind in ever:
            ever[kind] += any(
                judged(
                    (counts("M", high, POSITIVES - high), counts("F", low, POSITIVES - low)),
                    PART,
                    attempt=attempt if kind == "counted" else None,
                ).outcome
                is Outcome.PASS
                for attempt, (high, low) in enumerate(tries, start=1)
            )
    with capsys.disabled():
        print(
            f"\nan unfair model, {RETRIES} retries on one holdout, {RUNS} holdouts: some retry passes in "
            f"{ever['counted'] / RUNS:.3f} with the budget of {1 - PART.confidence:.1f}, in "
            f"{ever['uncounted'] / RUNS:.3f} without it"
        )
    assert ever["counted"] / RUNS <= 1 - PART.confidence
    assert ever["uncounted"] / RUNS > 1 - PART.confidence


@pytest.mark.parametrize("attempt", [10**6, 10**7, 10**9])
def test_a_level_that_rounding_would_make_1_still_has_intervals(attempt):
    groups = (counts("M", 600, 400), counts("F", 500, 500), counts("X", 550, 450))
    for compare in ("difference", "ratio", "level"):
        side = {"min": 0.01} if compare == "ratio" else {"max": 0.99}
        part = policy(check("tpr", compare=compare, **side), check("selection_rate", max=0.99))
        judgement = judged(groups, part, attempt=attempt)
        assert judgement.outcome is Outcome.PASS
        assert judgement.budget.level < 1
        for found in judgement.checks:
            low, high = found.interval
            assert 0 <= low < found.estimate < high <= 1


def test_every_attempt_is_judged_more_strictly():
    groups = (counts("M", 560, 440), counts("F", 500, 500))
    widths, levels = [], []
    for attempt in (None, 1, 2, 10):
        judgement = judged(groups, PART, attempt=attempt)
        (found,) = judgement.checks
        widths.append(found.interval[1] - found.interval[0])
        levels.append(judgement.budget)
        assert found.confidence == 0.9  # what is promised over all attempts
    assert widths == sorted(set(widths))
    assert levels[0] is None
    assert levels[1] == Budget(attempt=1, confidence=0.9, level=pytest.approx(1 - 0.1 * 6 / np.pi**2))
    assert [budget.level for budget in levels[1:]] == sorted(budget.level for budget in levels[1:])


def test_an_attempt_is_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        judged((), PART, attempt=0)


def test_a_check_on_some_of_the_groups_costs_the_others_nothing():
    """What is not compared needs no wider intervals."""
    random = np.random.default_rng(2)
    n = 4000
    rows = {
        "label": random.random(n) < 0.5,
        "prediction": random.random(n) < 0.5,
        "groups": {"sex": random.choice(["F", "M"], n), "race": random.choice(list("abcd"), n)},
    }
    three = ["sex", "race", ["sex", "race"]]
    some = policy(
        check("tpr", max=0.2, groups=["sex"]),
        check("tpr", max=0.2, groups=["race", ["race", "sex"]], severity="warning"),
        groups=three,
    )
    every = policy(check("tpr", max=0.2), check("tpr", max=0.2), groups=three)
    less, more = (judge(measure(**rows, policy=part), part) for part in (some, every))
    assert [(found.name, found.attribute, found.severity) for found in less.checks] == [
        ("tpr_difference", "sex", "critical"),
        ("tpr_difference", "race", "warning"),
        ("tpr_difference", "sex*race", "warning"),
    ]
    assert len(more.checks) == 6
    assert less.groups == more.groups
    assert np.diff(less.checks[0].interval) < np.diff(more.checks[0].interval)


def test_simulated_joint_level_over_attributes_of_unequal_checks():
    """Seeded: no difference anywhere; any interval that misses 0 is an error."""
    random, runs, errors = np.random.default_rng(6), 80, 0
    part = policy(
        *(check(m, min=0.0, groups=["sex"]) for m in ("tpr", "fpr")),
        check("selection_rate", min=0.0, groups=["race"]),
        groups=["sex", "race"],
        confidence=0.8,
        min_group_size=1,
    )
    for _ in range(runs):
        tables = (
            random.multinomial([300, 400], [0.2, 0.1, 0.2, 0.5]),
            random.multinomial([200] * 4, [0.3, 0.2, 0.2, 0.3]),
        )
        attributes = {
            name: [GroupCounts(group={name: str(i)}, tp=a, fp=b, fn=c, tn=d) for i, (a, b, c, d) in enumerate(table)]
            for name, table in zip(("sex", "race"), tables, strict=True)
        }
        errors += any(found.interval[0] > 0 for found in judge(FairnessEvidence(attributes=attributes), part).checks)
    assert binom.sf(errors - 1, runs, 0.2) > 1e-3
    assert errors > 0
