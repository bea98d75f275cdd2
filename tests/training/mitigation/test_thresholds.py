"""Thresholds keep the gap on the rows they are chosen on, at the least loss; the rest decides by the plain one."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.mitigation.support import KINDS, gaps, population
from tests.training.mitigation.support import given as called_with

from assay.core import MISSING, UserError
from assay.policy import Thresholds
from assay.training.export import export
from assay.training.mitigation import thresholds
from assay.training.mitigation.cells import cells_of
from assay.training.mitigation.fit import fit_mitigated
from assay.training.mitigation.rates import rates
from assay.training.onnx_model import OnnxModel

NOTE = "section 12 of the act allows it"


def asked(awareness="aware", target="equalized_odds", max_gap=0.05, attributes=("sex",)):
    note = NOTE if awareness == "aware" else None
    return Thresholds(
        method="thresholds",
        awareness=awareness,
        target=target,
        max_gap=max_gap,
        attributes=list(attributes),
        legal_note=note,
    )


def sample(seed, rows=300):
    """Scores, labels and two groups whose scores mean different things."""
    random = np.random.default_rng(seed)
    sex = np.where(np.arange(rows) % 2 == 0, "f", "m").astype(object)
    label = random.random(rows) < np.where(sex == "f", 0.3, 0.5)
    score = np.clip(random.normal(np.where(label, 0.6, 0.4) + np.where(sex == "m", 0.1, 0), 0.15), 0.01, 0.99)
    return score, label, cells_of({"sex": sex}, ["sex"])


def longhand(score, label, cells, target, own):
    """Gap and accuracy of two groups' own thresholds, row by row."""
    decided = score >= np.array(own)[cells.code]
    found = gaps(decided, label, np.array(["f", "m"], dtype=object)[cells.code])
    wanted = {"equalized_odds": ["tpr", "fpr"], "equal_opportunity": ["tpr"], "demographic_parity": ["selection_rate"]}
    return max(abs(found[name]) for name in wanted[target]), (decided == label).mean()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["equal_opportunity", "demographic_parity"]))
def test_no_other_pair_of_thresholds_keeps_the_gap_and_is_more_accurate(seed, target):
    score, label, cells = sample(seed, rows=400)  # so many that each group has enough of both classes
    choice = thresholds.aware(thresholds.curves(score, label, cells, target), max_gap=0.05, plain=0.5)
    own = [choice.own[name] for name in cells.names]
    gap, accuracy = longhand(score, label, cells, target, own)
    assert (choice.gap, choice.accuracy) == pytest.approx((gap, accuracy))
    assert gap <= 0.05 + 1e-9
    coarse = thresholds.GRID[4::10]  # every tenth is enough to catch a wrong search
    for other in itertools.product(coarse, coarse):
        gap, right = longhand(score, label, cells, target, other)
        assert right <= accuracy + 1e-9 or gap > 0.05


@settings(max_examples=6, deadline=None)  # ten thousand windows each
@given(st.integers(0, 1000), st.sampled_from([0.02, 0.05, 0.2]))
def test_equalized_odds_keeps_both_rates(seed, max_gap):
    score, label, cells = sample(seed, rows=400)  # so many that each group has enough of both classes
    choice = thresholds.aware(thresholds.curves(score, label, cells, "equalized_odds"), max_gap=max_gap, plain=0.5)
    gap, accuracy = longhand(score, label, cells, "equalized_odds", [choice.own[name] for name in cells.names])
    assert gap <= max_gap + 1e-9
    assert (choice.gap, choice.accuracy) == pytest.approx((gap, accuracy))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["equalized_odds", "equal_opportunity", "demographic_parity"]))
def test_a_blind_threshold_is_the_most_accurate_that_keeps_the_gap(seed, target):
    score, label, cells = sample(seed, rows=400)  # so many that each group has enough of both classes
    found = thresholds.curves(score, label, cells, target)
    threshold, choice = thresholds.blind(found, max_gap=0.1, plain=0.5)
    assert set(choice.own.values()) == {threshold}
    fair = []
    for other in thresholds.GRID:
        gap, right = longhand(score, label, cells, target, [other, other])
        if gap <= 0.1 and 0 < (score >= other).mean() < 1:
            fair.append(right)
    assert choice.accuracy == pytest.approx(max(fair))


def test_a_wide_gap_leaves_the_threshold_where_accuracy_has_it():
    score, label, cells = sample(1)
    found = thresholds.curves(score, label, cells, "demographic_parity")
    tied = np.where(np.isclose(found.right.sum(axis=0), found.right.sum(axis=0).max()))[0]
    threshold, _ = thresholds.blind(found, max_gap=0.99, plain=0.5)
    assert threshold == min(thresholds.GRID[tied], key=lambda each: abs(each - 0.5))


def test_rates_are_those_of_the_table():
    found = rates(
        "equalized_odds", chosen=np.array([[2.0, 3.0], [1.0, 1.0]]), totals=np.array([[4.0, 4.0], [4.0, 2.0]])
    )
    assert found.tolist() == [[0.75, 0.5], [0.5, 0.25]]


def test_what_cannot_be_kept_is_said_with_the_nearest():
    score, label, cells = sample(1)
    score = np.where(cells.code == 0, 0.2, 0.8)  # one threshold takes all of a group or none
    found = thresholds.curves(score, label, cells, "demographic_parity")
    with pytest.raises(UserError, match=r"no thresholds bring the groups within 0.1; the nearest is 1 \(try another"):
        thresholds.blind(found, max_gap=0.1, plain=0.5)


def test_groups_too_small_to_be_compared_are_named(tmp_path):
    with pytest.raises(UserError, match="only 0 of 2 groups have enough rows of both classes"):
        fit_mitigated(**called_with(tmp_path, asked(), rows=60))


@pytest.mark.parametrize("awareness", ["blind", "aware"])
def test_thresholds_hold_for_rows_that_nothing_was_chosen_on(tmp_path, awareness):
    made = fit_mitigated(**called_with(tmp_path, asked(awareness, "demographic_parity", 0.05), rows=6000))
    features, label, groups = population(6000, seed=1)
    score, sex = made.pipeline.predict_proba(features)[:, 1], groups["sex"]
    columns = {"sex": sex.reshape(-1, 1)}
    own = made.by_group.of(columns, plain=made.threshold) if made.by_group else made.threshold
    assert abs(gaps(score >= 0.5, label, sex)["selection_rate"]) > 0.15
    assert abs(gaps(score >= own, label, sex)["selection_rate"]) < 0.05 + 0.03  # three standard errors of sampling
    assert made.facts["gap"] <= 0.05
    assert made.facts["accuracy"] < made.facts["accuracy_before"]
    assert json.loads(json.dumps(made.facts)) == made.facts
    assert made.facts.get("legal_note") == (NOTE if awareness == "aware" else None)
    assert (made.by_group is None) == (awareness == "blind")


def test_a_small_group_a_missing_value_and_a_stranger_are_decided_by_the_plain_threshold(tmp_path):
    call = called_with(tmp_path, asked(target="demographic_parity"), rows=2000, threshold=0.45)
    sex = call["groups"]["sex"].copy()
    sex[:20], sex[20:400] = "x", MISSING
    made = fit_mitigated(**{**call, "groups": {"sex": sex}})
    assert set(made.by_group.by_group) == {("f",), ("m",)}
    assert made.facts["not_compared"] == [{"sex": MISSING}, {"sex": "x"}]
    content = export(
        made.pipeline, kinds=KINDS, model="toy", classes=("no", "yes"), threshold=made.threshold, by_group=made.by_group
    )
    model = OnnxModel(content)
    assert model.inputs == KINDS | {"sex": "text"}
    women, men = made.by_group.by_group["f",], made.by_group.by_group["m",]
    assert women < 0.45 < men
    rows = {"sex": np.array([["f"], ["m"], ["x"], [MISSING], ["never seen"]], dtype=object)}
    assert model.thresholds(rows).tolist() == [women, men, 0.45, 0.45, 0.45]
    assert model.decide(rows, np.full(5, 0.45)).tolist() == [True, False, True, True, True]
