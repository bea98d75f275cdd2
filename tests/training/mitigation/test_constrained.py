"""A constraint comes down to one model, the same each time, that goes to ONNX."""

import json

import numpy as np
import pandas as pd
import pytest
from fairlearn.reductions import GridSearch
from sklearn.base import BaseEstimator, ClassifierMixin
from tests.training.mitigation.support import KINDS, UNWEIGHTED, gaps, given, population

from assay.core import UserError
from assay.policy import Constraint
from assay.training.export import PARITY, check_parity, export
from assay.training.mitigation import constrained
from assay.training.mitigation.cells import cells_of
from assay.training.mitigation.fit import fit_mitigated
from assay.training.mitigation.task import Task, Turned
from assay.training.onnx_model import OnnxModel
from assay.training.run import fit


def asked(constraint="demographic_parity", max_gap=0.05, iterations=6):
    return Constraint(
        method="constraint", attributes=["sex"], constraint=constraint, max_gap=max_gap, iterations=iterations
    )


def exported(made):
    return export(made.pipeline, kinds=KINDS, model="toy", classes=("no", "yes"), threshold=made.threshold)


def inputs(frame):
    return {name: frame[name].to_numpy().reshape(-1, 1) for name in frame.columns}


@pytest.mark.parametrize(
    ("constraint", "rate"),
    [
        ("demographic_parity", "selection_rate"),
        ("true_positive_rate_parity", "tpr"),
        ("false_positive_rate_parity", "fpr"),
    ],
)
def test_the_gap_narrows_on_rows_that_nothing_was_chosen_on(tmp_path, constraint, rate):
    made = fit_mitigated(**given(tmp_path, asked(constraint), rows=4000))
    features, label, groups = population(6000, seed=1)
    call = given(tmp_path, None, rows=4000)
    same = {name: call[name] for name in ("module", "features", "label", "seed", "parameters")}
    before, after = (
        abs(gaps(model.predict_proba(features)[:, 1] >= 0.5, label, groups["sex"])[rate])
        for model in (fit(**same), made.pipeline)
    )
    assert before > 0.1
    assert after < 0.05 + 0.04  # sampling, of the choice and of the test
    assert made.facts["reached"] is (made.facts["gap"] <= 0.05)
    tried = made.facts["candidates"]
    assert made.facts["models"] == len(tried) + 2
    assert {name: made.facts[name] for name in ("weight", "gap", "accuracy")} in tried
    assert json.loads(json.dumps(made.facts)) == made.facts


def test_the_same_rows_and_seed_give_the_same_bytes_and_both_forms_agree(tmp_path):
    call = given(tmp_path, asked("equalized_odds"))
    first, second = fit_mitigated(**call), fit_mitigated(**call)
    assert exported(first) == exported(second)
    assert first.facts == second.facts
    frame, _, _ = population(500, seed=2)
    assert check_parity(first.pipeline, OnnxModel(exported(first)), frame=frame, inputs=inputs(frame)) <= PARITY


def test_without_a_gap_to_close_the_model_is_as_trained(tmp_path):
    call = given(tmp_path, asked(max_gap=0.9, iterations=2), threshold=0.3)
    made = fit_mitigated(**call)
    plain = fit(**{name: call[name] for name in ("module", "features", "label", "seed", "parameters")})
    frame, _, _ = population(500, seed=2)
    lightest = made.facts["candidates"][0]
    assert lightest["weight"] == 0
    if made.facts["weight"] == 0:  # unless a mitigated one is even more accurate on the rows kept back
        assert np.abs(made.pipeline.predict_proba(frame) - plain.predict_proba(frame)).max() < 1e-6
    else:
        assert made.facts["accuracy"] > lightest["accuracy"]
    assert made.threshold == 0.3


def task(folder, rows=1200):
    call = given(folder, None, rows=rows)
    cells = cells_of(call["groups"], ["sex"])
    same = {name: call[name] for name in ("module", "features", "label", "seed", "parameters", "threshold")}
    return Task(cells=cells, **same)


class Around(ClassifierMixin, BaseEstimator):
    """The team's pipeline as fairlearn's own search takes it."""

    def __init__(self, task):
        self.task = task

    def __sklearn_clone__(self):
        return Around(self.task)

    def fit(self, features, label, sample_weight):
        weights = np.asarray(sample_weight) / sample_weight.mean()  # theirs have no scale of their own
        self.pipeline = self.task.fit(turned=Turned(np.asarray(label) == 1, weights))
        return self

    def predict(self, features):
        return self.pipeline.predict(features)


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_a_multiplier_makes_the_model_that_fairlearn_s_search_makes_of_it(tmp_path, constraint):
    part, every = asked(constraint), np.ones(1200, dtype=bool)
    work = task(tmp_path)
    ray = constrained._ray(work, part, every)
    grid = pd.DataFrame({place: weight * ray for place, weight in enumerate((0.3, 0.9, 1.4))})
    peer = GridSearch(Around(work), constrained._moment(part), grid=grid)
    peer.fit(work.features, work.label, sensitive_features=constrained._groups(work.cells, constrained._large(work)))
    for place, theirs in enumerate(peer.predictors_):
        ours = constrained._trained(work, part, grid[place])
        both = ours.predict_proba(work.features), theirs.pipeline.predict_proba(work.features)
        assert np.abs(both[0] - both[1]).max() < 1e-6


def test_from_a_weight_of_one_on_labels_are_turned(tmp_path):
    work, part, every = task(tmp_path), asked(), np.ones(1200, dtype=bool)
    ray = constrained._ray(work, part, every)
    moment = constrained._loaded(constrained._moment(part), constrained._chosen(work, None), constrained._large(work))
    label = work.positive
    for weight, turned in ((0.0, False), (0.99, False), (1.01, True)):
        signed = np.where(label, 1, -1) + moment.signed_weights(weight * ray).to_numpy()
        assert bool(((signed > 0) != label).any()) is turned


def test_of_the_models_that_keep_the_gap_the_most_accurate_is_kept(tmp_path):
    made = fit_mitigated(**given(tmp_path, asked("demographic_parity", max_gap=0.08, iterations=8)))
    tried = made.facts["candidates"]
    assert len(tried) == 9  # the model as trained, four steps, four between two of them
    fair = [each for each in tried if each["gap"] <= 0.08]
    assert fair
    assert made.facts["accuracy"] == max(each["accuracy"] for each in fair)
    first = min(each["weight"] for each in fair)
    assert max(each["weight"] for each in tried if each["weight"] < first) > first - 0.3 / 5 - 1e-9


def test_where_none_keeps_the_gap_the_nearest_is_kept_and_said_to_miss(tmp_path):
    made = fit_mitigated(**given(tmp_path, asked("equalized_odds", max_gap=1e-6)))
    assert made.facts["reached"] is False
    assert made.facts["gap"] == min(each["gap"] for each in made.facts["candidates"])


def test_a_threshold_other_than_one_half_stays_the_threshold(tmp_path):
    made = fit_mitigated(**given(tmp_path, asked(max_gap=0.06), rows=4000, threshold=0.3))
    features, label, groups = population(6000, seed=1)
    decided = made.pipeline.predict_proba(features)[:, 1] >= made.threshold
    assert made.threshold == 0.3
    assert abs(gaps(decided, label, groups["sex"])["selection_rate"]) < 0.06 + 0.04
    assert 0.3 < decided.mean() < 0.8


def test_a_train_without_weights_is_refused_with_the_form_that_takes_them(tmp_path):
    with pytest.raises(UserError) as raised:
        fit_mitigated(**given(tmp_path, asked(), source=UNWEIGHTED))
    assert str(raised.value) == (
        "toy/train.py: train.py: train() takes no weights, and the policy's mitigation works by them (write "
        "train(features, label, *, seed, parameters, weights=None) -> sklearn.pipeline.Pipeline, and fit with them as "
        "sample_weight)"
    )


def test_groups_too_small_to_choose_by_are_refused(tmp_path):
    with pytest.raises(UserError, match="fewer than two of 2 groups have enough rows of both classes"):
        fit_mitigated(**given(tmp_path, asked(), rows=150))


def test_small_groups_are_taken_together_and_do_not_stop_the_search(tmp_path):
    call = given(tmp_path, asked(), rows=2000)
    sex = call["groups"]["sex"].copy()
    sex[:3], sex[3:9] = "x", "y"
    made = fit_mitigated(**{**call, "groups": {"sex": sex}})
    assert made.facts["not_compared"] == [{"sex": "x"}, {"sex": "y"}]
