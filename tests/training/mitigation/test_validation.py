"""Validation rows do one thing: `train` watches its fit by them, or the mitigation chooses by them."""

import numpy as np
import pytest
from tests.training.mitigation.support import TRAIN, UNWEIGHTED, gaps, population
from tests.training.mitigation.support import given as called_with

from assay.core import UserError
from assay.policy import Constraint, Reweighing, Thresholds
from assay.training.mitigation import thresholds
from assay.training.mitigation.cells import cells_of
from assay.training.mitigation.fit import FOLDS, Rows, fit_mitigated
from assay.training.run import fit

WATCHING = """
import logging

def train(features, label, *, seed, parameters, weights=None, validation=None):
    parameters["calls"].append((features, label, weights, validation))
    return plain(features, label, seed=seed, parameters=parameters, weights=weights)
"""
WATCHED = TRAIN.replace("def train(", "def plain(") + WATCHING
SEEN = TRAIN.replace("    words =", "    parameters['calls'].append((features, label, weights, None))\n    words =")
REWEIGHING = Reweighing(method="reweighing", attributes=["sex"])
CONSTRAINT = Constraint(
    method="constraint", attributes=["sex"], constraint="demographic_parity", max_gap=0.05, iterations=4
)
BLIND = Thresholds(method="thresholds", awareness="blind", target="demographic_parity", max_gap=0.1, attributes=["sex"])
AWARE = BLIND.model_copy(update={"awareness": "aware", "legal_note": "section 12"})
METHODS = pytest.mark.parametrize(
    "method", [REWEIGHING, CONSTRAINT, BLIND, AWARE], ids=["reweighing", "constraint", "blind", "aware"]
)


def kept(rows=800, seed=5):
    return Rows(*population(rows, seed))


def call(folder, method, source, **changed):
    calls = []
    return calls, called_with(folder, method, source=source, parameters={"calls": calls}, **changed)


@pytest.mark.parametrize("method", [BLIND, AWARE], ids=["blind", "aware"])
def test_thresholds_are_chosen_on_validation_rows_by_the_model_that_is_kept(tmp_path, method):
    rows = kept()
    made = fit_mitigated(**called_with(tmp_path, method, source=UNWEIGHTED), validation=rows)
    plain = called_with(tmp_path, None, source=UNWEIGHTED)
    model = fit(**{name: plain[name] for name in ("module", "features", "label", "seed", "parameters")})
    score = model.predict_proba(rows.features)[:, 1]
    assert (made.pipeline.predict_proba(rows.features)[:, 1] == score).all()
    found = thresholds.curves(score, rows.label == 1, cells_of(rows.groups, ["sex"]), method.target)
    if method is AWARE:
        assert made.by_group.by_group == thresholds.aware(found, max_gap=0.1, plain=0.5).own
    else:
        assert made.threshold == thresholds.blind(found, max_gap=0.1, plain=0.5)[0]
        assert abs(gaps(score >= made.threshold, rows.label, rows.groups["sex"])["selection_rate"]) <= 0.1
    assert made.facts["models"] == 1
    assert (made.facts["chosen_on"], made.facts["chosen_on_rows"]) == ("validation", 800)


def test_a_constraint_s_model_is_chosen_on_validation_rows_and_every_model_sees_all_training_rows(tmp_path):
    rows = kept()
    calls, given = call(tmp_path, CONSTRAINT, SEEN)
    made = fit_mitigated(**given, validation=rows)
    assert {len(features) for features, *_ in calls} == {1200}
    decided = made.pipeline.predict_proba(rows.features)[:, 1] >= 0.5
    assert made.facts["gap"] == pytest.approx(abs(gaps(decided, rows.label, rows.groups["sex"])["selection_rate"]))
    assert made.facts["accuracy"] == (decided == rows.label).mean()
    assert (made.facts["chosen_on"], made.facts["chosen_on_rows"]) == ("validation", 800)


@METHODS
def test_a_train_that_asks_for_them_gets_them_with_every_model_and_nothing_else_chooses_by_them(tmp_path, method):
    rows = kept()
    calls, given = call(tmp_path, method, WATCHED)
    made = fit_mitigated(**given, validation=rows)
    without = fit_mitigated(**called_with(tmp_path, method))
    frame = population(300, seed=9)[0]
    assert (made.pipeline.predict_proba(frame) == without.pipeline.predict_proba(frame)).all()
    assert (made.threshold, made.facts) == (without.threshold, without.facts)
    assert all(validation.features.equals(rows.features) for *_, validation in calls)
    if method in (BLIND, AWARE):
        assert len(calls) == FOLDS + 1
        assert all(validation.label.equals(rows.label) and validation.weights is None for *_, validation in calls)


@pytest.mark.parametrize("method", [REWEIGHING, CONSTRAINT], ids=["reweighing", "constraint"])
def test_validation_rows_count_as_they_would_in_training(tmp_path, method):
    """Otherwise a fit would be stopped by another loss than the one it is after."""
    calls, given = call(tmp_path, method, WATCHED, threshold=0.4)
    fit_mitigated(**given, validation=Rows(given["features"], given["label"], given["groups"]))
    _, label, weights, validation = calls[-1]  # the model that is kept: of all training rows
    assert weights.std() > 0
    assert validation.label.equals(label)
    np.testing.assert_allclose(validation.weights, weights)


def test_the_labels_of_validation_rows_are_turned_with_those_of_training(tmp_path):
    heavy = CONSTRAINT.model_copy(update={"max_gap": 0.001})
    calls, given = call(tmp_path, heavy, WATCHED)
    fit_mitigated(**given, validation=Rows(given["features"], given["label"], given["groups"]))
    turned = [validation for *_, validation in calls if not validation.label.equals(given["label"])]
    assert turned  # multipliers above 1 turn some
    assert all(set(validation.label) == {0, 1} for validation in turned)


def test_a_group_that_training_does_not_know_counts_once(tmp_path):
    features, label, groups = population(200, seed=5, values=("f", "m", "x"))
    calls, given = call(tmp_path, REWEIGHING, WATCHED)
    fit_mitigated(**given, validation=Rows(features, label, groups))
    ((*_, weights, validation),) = calls
    new = groups["sex"] == "x"
    assert (validation.weights[new] == 1).all()
    assert set(validation.weights[~new]) == set(weights)


@pytest.mark.parametrize("method", [CONSTRAINT, BLIND], ids=["constraint", "blind"])
def test_too_few_validation_rows_to_choose_by_are_refused_before_anything_is_fitted(tmp_path, method):
    calls, given = call(tmp_path, method, SEEN)
    with pytest.raises(UserError, match=r"data\.split\.validation: only 0 of 2 groups have 30 validation rows of each"):
        fit_mitigated(**given, validation=kept(60))
    assert calls == []


@METHODS
def test_the_order_of_validation_rows_makes_no_difference(tmp_path, method):
    rows, order = kept(), np.random.default_rng(0).permutation(800)
    features, label = (each.iloc[order].reset_index(drop=True) for each in rows[:2])
    other = Rows(features, label, {"sex": rows.groups["sex"][order]})
    one, two = (fit_mitigated(**called_with(tmp_path, method), validation=each) for each in (rows, other))
    assert (one.threshold, one.by_group, one.facts) == (two.threshold, two.by_group, two.facts)
