"""Rankings of features, overall and by group."""

import json

import numpy as np
import pytest

from assay.evidence.explain.importance import rank_features
from assay.evidence.explain.results import Effort, Explanation

EFFORT = Effort(rows=2000, repeats=3, explained=150, grouped=60, pairs=10, background=100)
MEASURES = {"auc_drop", "brier_rise", "mean_shapley"}
WEIGHTS = {"x": 2.0, "y": 0.5, "unread": 0.0}


def score(given):
    return 1 / (1 + np.exp(-sum(weight * given[name][:, 0] for name, weight in WEIGHTS.items())))


def world(n=2000, seed=0):
    random = np.random.default_rng(seed)
    inputs = {name: random.normal(size=(n, 1)) for name in WEIGHTS}
    label = random.random(n) < score(inputs)
    groups = np.where(np.arange(n) % 20 == 0, "few", np.where(random.random(n) < 0.5, "some", "others"))
    return inputs, label, {"town": groups.astype(object)}


def ranked(*, n=2000, smallest=100, seed=1, **changes):
    inputs, label, sensitive = world(n)
    given = {
        "score": score, "inputs": inputs, "label": label, "sensitive": sensitive,
        "background": {name: column[:100] for name, column in inputs.items()}, "confidence": 0.95,
        "smallest": smallest, "effort": EFFORT, "seed": seed,
    }  # fmt: skip
    return rank_features(**{**given, **changes})


def test_every_measure_is_there_for_everyone_and_for_every_group():
    found = ranked()
    assert {(each.measure, *each.group.values()) for each in found} == {
        (measure, *group) for measure in MEASURES for group in ((), ("few",), ("others",), ("some",))
    }
    assert all(list(each.features) == list(WEIGHTS) for each in found if not each.absent)


def test_the_order_is_the_models_own():
    for each in ranked():
        values = {name: measured.estimate for name, measured in each.features.items()}
        assert values["x"] > values["y"] > abs(values["unread"])
        assert values["unread"] == 0
        assert each.features["unread"].interval is None  # nothing was seen to vary
        low, high = each.features["x"].interval
        assert low <= values["x"] <= high


def test_the_mean_size_of_a_linear_score_lies_in_its_interval():
    """Of 0.1 x the mean size is 0.1 E|x - mean|, however the paths go."""
    inputs, _, _ = world()
    found = ranked(score=lambda given: 0.5 + 0.05 * np.clip(given["x"][:, 0], -4, 4), effort=Effort(explained=800))
    overall = next(each for each in found if each.measure == "mean_shapley" and not each.group)
    truth = 0.05 * np.abs(inputs["x"] - inputs["x"][:100].mean()).mean()
    low, high = overall.features["x"].interval
    assert low <= truth <= high
    assert overall.rows == 800


def test_noise_does_not_make_a_small_feature_look_surely_used():
    """A feature that rarely matters has values that sampling noise alone makes large."""

    def rare(given):
        return np.where(np.abs(given["y"][:, 0]) > 2.2, 0.9, 0.1) * (given["x"][:, 0] > 0)

    few, many = (
        next(
            each.features["y"]
            for each in ranked(score=rare, effort=Effort(explained=400, pairs=pairs))
            if each.measure == "mean_shapley" and not each.group
        )
        for pairs in (6, 100)
    )
    assert few.interval[0] <= many.estimate <= few.interval[1]
    assert few.interval[1] - few.interval[0] > many.interval[1] - many.interval[0]


def test_a_group_that_is_too_small_is_named_with_its_size():
    small = [each for each in ranked(smallest=101) if each.absent]
    assert {each.measure for each in small} == MEASURES
    assert {(each.group["town"], each.rows, each.absent) for each in small} == {("few", 100, "fewer than 101 rows")}


def test_a_group_has_rows_enough_for_its_shapley_values():
    rows = {each.group.get("town"): each.rows for each in ranked() if each.measure == "mean_shapley"}
    assert rows[None] == EFFORT.explained
    assert rows["few"] == EFFORT.grouped  # of the sample of 150 it has about 7
    assert rows["others"] >= EFFORT.grouped


def test_more_rows_than_the_effort_allows_are_sampled():
    assert {each.rows for each in ranked(effort=Effort(rows=500)) if each.measure == "auc_drop" and not each.group} == {
        500
    }


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    assert ranked() == ranked()
    assert ranked() != ranked(seed=2)


def test_one_class_has_no_auc_but_the_rest():
    found = {each.measure: each for each in ranked(label=np.ones(2000, dtype=bool)) if not each.group}
    assert "0 rows of one class" in found["auc_drop"].absent
    assert not found["brier_rise"].absent


def test_an_empty_sensitive_value_is_a_group():
    groups = {"town": np.where(np.arange(2000) < 1000, "(missing)", "a").astype(object)}
    assert {"(missing)", "a"} == {each.group["town"] for each in ranked(sensitive=groups) if each.group}


def test_an_explanation_is_read_back_as_it_was_written():
    explanation = Explanation(
        model="a" * 64, snapshot="toy-1", holdout=2000, seed=1, confidence=0.95, effort=EFFORT, rankings=tuple(ranked())
    )
    written = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
    assert Explanation.from_dict(written) == explanation
    with pytest.raises((KeyError, TypeError)):
        Explanation.from_dict({"rankings": []})
