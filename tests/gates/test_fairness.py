"""The fairness gate: fairlearn's numbers, whole intervals, nobody left out in silence."""

import dataclasses

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tests.gates.fairness_support import counts, evidence, only, policy

from assay.core import MISSING, Outcome, UserError, bind
from assay.core.clock import Stopwatch
from assay.core.verdict import Subject
from assay.gates.fairness import judge, measure
from assay.policy import FairnessCheck

ORDER = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]


def population(n=4000, seed=0):
    random = np.random.default_rng(seed)
    return {
        "label": random.random(n) < 0.4,
        "prediction": random.random(n) < 0.45,
        "groups": {
            "sex": random.choice(np.array(["F", "M"]), n),
            "race": random.choice(np.array(["a", "b", "c"]), n, p=[0.6, 0.3, 0.1]),
        },
    }


def test_rates_equal_fairlearn_by_group_and_intersection():
    people = population()
    part = policy(
        *(FairnessCheck(metric=m, compare=c, max=1, min=0) for m in ("selection_rate", "tpr", "fpr")
          for c in ("difference", "ratio")),
        groups=["sex", "race", ["sex", "race"]],
    )  # fmt: skip
    judgement = judge(measure(**people, policy=part), part)
    label, prediction = people["label"].astype(int), people["prediction"].astype(int)
    metrics = {"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    for columns in (("sex",), ("race",), ("sex", "race")):
        sensitive = {column: people["groups"][column] for column in columns}
        frame = MetricFrame(metrics=metrics, y_true=label, y_pred=prediction, sensitive_features=sensitive)
        ours = {tuple(g.group.values()): g for g in judgement.groups if tuple(g.group) == columns}
        assert len(ours) == len(frame.by_group)
        for key, row in frame.by_group.iterrows():
            group = ours[key if isinstance(key, tuple) else (key,)]
            for name in metrics:
                assert group.metrics[name].estimate == pytest.approx(row[name], abs=1e-12)
        found = {c.name: c for c in judgement.checks if c.attribute == "*".join(columns)}
        for name in metrics:  # the parts of equalized odds, and demographic parity
            assert found[f"{name}_difference"].estimate == pytest.approx(frame.difference()[name], abs=1e-12)
            assert found[f"{name}_ratio"].estimate == pytest.approx(frame.ratio()[name], abs=1e-12)
    by_sex = {c.name: c for c in judgement.checks if c.attribute == "sex"}
    sensitive = people["groups"]["sex"]
    assert by_sex["selection_rate_difference"].estimate == pytest.approx(
        demographic_parity_difference(label, prediction, sensitive_features=sensitive)
    )
    assert by_sex["selection_rate_ratio"].estimate == pytest.approx(
        demographic_parity_ratio(label, prediction, sensitive_features=sensitive)
    )


def test_support_is_the_smallest_side_of_what_the_rate_is_made_of():
    check = only(judge(evidence(counts("F", 40, 60), counts("M", 150, 50)), policy()))
    assert check.support == 100
    assert check.groups == [{"sex": "M"}, {"sex": "F"}]
    assert (check.name, check.attribute, check.compare) == ("tpr_difference", "sex", "difference")


@pytest.mark.parametrize(
    ("groups", "outcome"),
    [
        ((counts("F", 5000, 5000), counts("M", 5050, 4950)), Outcome.PASS),
        ((counts("F", 3000, 7000), counts("M", 5000, 5000)), Outcome.FAIL),
        ((counts("F", 50, 50), counts("M", 55, 45)), Outcome.INCONCLUSIVE),
    ],
)
def test_whole_intervals_decide(groups, outcome):
    judgement = judge(evidence(*groups), policy())
    assert judgement.outcome is outcome
    assert only(judgement).outcome is outcome


def test_an_inconclusive_reason_says_what_could_have_been_seen():
    reason = only(judge(evidence(counts("F", 50, 50), counts("M", 55, 45)), policy())).reason
    assert reason.startswith(
        "Between sex=M and sex=F the true positive rate differs by 0.05 (somewhere between 0.00 and "
    )
    assert "; allowed is at most 0.1: these data cannot tell" in reason
    assert "100 positives (sex=M) and 100 positives (sex=F), only a difference above 0.14" in reason


def test_a_small_group_is_never_left_out():
    clear = (counts("F", 5000, 5000), counts("M", 5000, 5000))
    assert judge(evidence(*clear), policy()).outcome is Outcome.PASS
    check = only(judge(evidence(*clear, counts("X", 5, 5, 5, 5)), policy()))
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "not measured, fewer than 100 rows: sex=X (20 rows)" in check.reason


def test_many_small_groups_are_told_briefly():
    n = 20_000
    people = population(n) | {"groups": {"sex": np.arange(n) % 195}}
    part = policy(min_group_size=10_000)
    judgement = judge(measure(**people, policy=part, score=np.full(n, 0.5)), part)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert len(judgement.groups) == 195
    assert only(judgement).reason.endswith("; and 175 more groups")


def test_a_group_without_positives_has_no_rate_but_is_told():
    groups = (counts("F", 5000, 5000), counts("M", 5000, 5000), counts("X", 0, 0, 100, 100))
    judgement = judge(evidence(*groups), policy())
    assert only(judgement).outcome is Outcome.INCONCLUSIVE
    assert "not measured, no positives: sex=X (200 rows)" in only(judgement).reason
    measured = judgement.groups[2].metrics["tpr"]
    assert (measured.estimate, measured.interval, measured.support) == (None, None, 0)
    assert judgement.groups[2].metrics["fpr"].estimate == 0.5


def test_a_fail_proven_without_the_small_group_stands():
    groups = (counts("F", 3000, 7000), counts("M", 5000, 5000), counts("X", 1, 1, 1, 1))
    check = only(judge(evidence(*groups), policy()))
    assert check.outcome is Outcome.FAIL
    assert "not measured, fewer than 100 rows: sex=X (4 rows)" in check.reason


def test_a_fail_that_one_more_group_could_undo_does_not_stand():
    """A difference of at least 0.1 is wanted; the group that was not measured may bring it."""
    groups = (counts("F", 5000, 5000), counts("M", 5000, 5000), counts("X", 1, 1, 1, 1))
    assert only(judge(evidence(*groups[:2]), policy(FairnessCheck(metric="tpr", min=0.1)))).outcome is Outcome.FAIL
    check = only(judge(evidence(*groups), policy(FairnessCheck(metric="tpr", min=0.1))))
    assert check.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ((), "no rows"),
        ((counts("F", 500, 500),), "only one group"),
        ((counts("F", 500, 500), counts("X", 1, 1, 1, 1)), "1 of 2 groups can be measured"),
        ((counts("X", 1, 1, 1, 1), counts("Y", 1, 1, 1, 1)), "0 of 2 groups can be measured"),
    ],
)
def test_nothing_to_compare_is_inconclusive(groups, words):
    check = only(judge(evidence(*groups), policy()))
    assert (check.outcome, check.estimate, check.interval) == (Outcome.INCONCLUSIVE, None, None)
    assert words in check.reason


def test_a_ratio_of_nothing_is_inconclusive():
    part = policy(FairnessCheck(metric="tpr", compare="ratio", min=0.8))
    check = only(judge(evidence(counts("F", 0, 500), counts("M", 0, 500)), part))
    assert (check.outcome, check.estimate) == (Outcome.INCONCLUSIVE, None)
    assert "a ratio does not exist" in check.reason


def test_missing_values_are_a_group_of_their_own():
    people = population(6)
    people["groups"] = {"sex": np.array(["F", None, float("nan"), "M", "F", None], dtype=object)}
    (groups,) = measure(**people, policy=policy()).attributes.values()
    assert {g.group["sex"]: g.n for g in groups} == {"F": 2, "M": 1, MISSING: 3}


def test_scores_are_reported_by_group_and_not_judged():
    people = population(100)
    score = np.linspace(0, 1, 100)
    part = policy()
    plain, scored = (judge(measure(**people, policy=part, score=s), part) for s in (None, score))
    assert [dataclasses.replace(c) for c in plain.checks] == list(scored.checks)
    for group in scored.groups:
        mean = score[people["groups"]["sex"] == group.group["sex"]].mean()
        assert group.metrics["mean_score"].estimate == pytest.approx(mean)


def test_bad_input_is_named():
    people = population(10)
    with pytest.raises(UserError) as caught:
        measure(**people, policy=policy(groups=["sexx", ["race", "age"]]))
    assert [p.path for p in caught.value.problems] == ["sexx", "age"]
    assert 'did you mean "sex"' in str(caught.value)
    with pytest.raises(UserError, match="3 of 10 values are not a number between 0 and 1"):
        measure(**people, policy=policy(), score=np.array([0.1] * 7 + [np.nan, -1, 2]))


def test_no_rows_never_pass():
    people = population(0)
    part = policy(groups=["sex", "race"])
    judgement = judge(measure(**people, policy=part), part)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert {check.outcome for check in judgement.checks} == {Outcome.INCONCLUSIVE}


def test_warnings_do_not_decide():
    part = policy(FairnessCheck(metric="tpr", max=0.1, severity="warning"), FairnessCheck(metric="fpr", max=0.1))
    groups = (counts("F", 1000, 9000, 5000, 5000), counts("M", 9000, 1000, 5000, 5000))
    judgement = judge(evidence(*groups), part)
    assert [check.outcome for check in judgement.checks] == [Outcome.FAIL, Outcome.PASS]
    assert judgement.outcome is Outcome.PASS


def test_two_limits_on_one_rate_have_two_names():
    part = policy(FairnessCheck(metric="tpr", max=0.05, severity="warning"), FairnessCheck(metric="tpr", max=0.1))
    names = [check.name for check in judge(evidence(counts("F", 50, 50), counts("M", 50, 50)), part).checks]
    assert names == ["tpr_difference", "tpr_difference_2"]


def test_the_order_of_rows_does_not_matter():
    people = population(500)
    part = policy(groups=["sex", ["sex", "race"]])
    shuffled = np.random.default_rng(1).permutation(500)
    again = {
        "label": people["label"][shuffled],
        "prediction": people["prediction"][shuffled],
        "groups": {name: values[shuffled] for name, values in people["groups"].items()},
    }
    score = np.random.default_rng(2).random(500)
    first = measure(**people, policy=part, score=score)
    assert first == measure(**again, policy=part, score=score[shuffled])


sizes = st.integers(20, 3000)


@settings(max_examples=100)
@given(data=st.data(), compare=st.sampled_from(["difference", "ratio"]))
def test_a_wider_gap_never_improves_the_verdict(data, compare):
    """Move some decisions of the highest group up, or of the lowest down, where it is sure that they differ.

    Where it is not, a gap on one side makes a larger one on the other less likely.
    """
    totals = data.draw(st.lists(sizes, min_size=2, max_size=4))
    groups = [counts(str(i), k := data.draw(st.integers(0, n)), n - k) for i, n in enumerate(totals)]
    limit = {"max": 0.1} if compare == "difference" else {"min": 0.8}
    part = policy(FairnessCheck(metric="tpr", compare=compare, **limit), min_group_size=1)
    before = only(judge(evidence(*groups), part))
    assume(before.interval is not None)
    assume(before.interval[0] > 0 if compare == "difference" else before.interval[1] < 1)
    rates = [group.tp / (group.tp + group.fn) for group in groups]
    step = data.draw(st.integers(1, 200))
    if data.draw(st.booleans()):
        at, move = int(np.argmax(rates)), step
    else:
        at, move = int(np.argmin(rates)), -step
    total = groups[at].tp + groups[at].fn
    tp = min(total, max(0, groups[at].tp + move))
    groups[at] = dataclasses.replace(groups[at], tp=tp, fn=total - tp)
    after = only(judge(evidence(*groups), part))
    assert ORDER.index(after.outcome) >= ORDER.index(before.outcome)


def test_false_passes_at_the_limit_are_rarer_than_promised():
    """Seeded simulation at a true gap of exactly the limit, in one of two attributes and three checks."""
    random, runs, part = np.random.default_rng(3), 400, policy(
        FairnessCheck(metric="tpr", max=0.1),
        FairnessCheck(metric="fpr", max=0.1),
        FairnessCheck(metric="tpr", compare="ratio", min=0.8),
        confidence=0.9,
    )  # fmt: skip
    passes = 0
    for _ in range(runs):
        high, low = random.binomial(3000, 0.5), random.binomial(3000, 0.4)  # difference 0.1, ratio 0.8
        groups = evidence(counts("M", high, 3000 - high, 500, 500), counts("F", low, 3000 - low, 500, 500))
        checks = {check.name: check.outcome for check in judge(groups, part).checks}
        passes += checks["tpr_difference"] is Outcome.PASS or checks["tpr_ratio"] is Outcome.PASS
    assert binom.sf(passes - 1, runs, 0.1) > 1e-3


def test_the_verdict_survives_writing_and_reading():
    part = policy(groups=["sex", ["sex", "race"]])
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="0")
    verdict = bind("fairness", judge(measure(**population(300), policy=part), part), subject, Stopwatch())
    assert type(verdict).from_dict(verdict.to_dict()).digest == verdict.digest
