"""The robustness gate: what each damage does, and that silence is never robustness."""

import numpy as np
import pytest

from assay.core import MISSING, Outcome, UserError, problem
from assay.gates.robustness import DAMAGES, judge, measure
from assay.gates.robustness.damage import NoTargetError
from assay.policy import Robustness, RobustnessCheck

N = 2000


def policy(*checks, **more):
    return Robustness(checks=list(checks), **{"draws": 100, **more})


def check(scenario, max_drop=0.05, share=0.1, **more):
    return RobustnessCheck(scenario=scenario, max_drop=max_drop, share=share, **more)


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    return {
        "age": random.normal(40, 10, (N, 1)).astype(np.float32),
        "pay": random.lognormal(3, 1, (N, 1)).astype(np.float32),
        "job": random.choice(np.array(["a", "b"], dtype=object), (N, 1)),
    }


@pytest.fixture
def label(inputs):
    return np.random.default_rng(1).random(N) < sturdy(inputs)


def sturdy(columns):
    """Leans on age, within bounds, and answers whatever it is given."""
    age = np.nan_to_num(columns["age"][:, 0], nan=40)
    return 1 / (1 + np.exp(-np.clip((age - 40) / 10, -3, 3)))


def fragile(columns):
    """Any damage at all turns its answer round."""
    broken = (columns["job"][:, 0] != "a") & (columns["job"][:, 0] != "b")
    broken |= np.isnan(columns["age"][:, 0]) | (np.abs(columns["age"][:, 0] - 40) > 300)
    return np.where(broken, 1 - sturdy(columns), sturdy(columns))


def run(part, score, inputs, label, seed=0):
    return judge(measure(score=score, inputs=inputs, label=label, policy=part, seed=seed), part)


def only(judgement):
    (found,) = judgement.checks
    return found


def random():
    return np.random.default_rng(7)


def test_missing_takes_the_share_of_every_column(inputs):
    damaged = DAMAGES["missing"](inputs, 0.3, random())
    assert np.isnan(damaged["age"]).mean() == pytest.approx(0.3, abs=0.04)
    assert (damaged["job"] == MISSING).mean() == pytest.approx(0.3, abs=0.04)
    kept = ~np.isnan(damaged["pay"])
    assert (damaged["pay"][kept] == inputs["pay"][kept]).all()


def test_noise_is_a_share_of_each_columns_spread(inputs):
    damaged = DAMAGES["noise"](inputs, 0.5, random())
    for name in ("age", "pay"):
        assert (damaged[name] - inputs[name]).std() == pytest.approx(0.5 * inputs[name].std(), rel=0.06)
    assert damaged["job"] is inputs["job"]


def test_an_unknown_category_is_unknown_even_if_the_data_hold_our_word_for_it(inputs):
    inputs["job"][0] = "(unseen)"
    damaged = DAMAGES["unknown_category"](inputs, 1.0, random())
    assert set(damaged["job"].ravel()).isdisjoint(inputs["job"].ravel())
    assert damaged["age"] is inputs["age"]


def test_a_unit_error_hits_one_number_of_a_row(inputs):
    damaged = DAMAGES["unit_error"](inputs, 0.4, random())
    factor = {name: damaged[name] / inputs[name] for name in ("age", "pay")}
    hit = {name: ~np.isclose(f, 1) for name, f in factor.items()}
    assert (hit["age"] | hit["pay"]).mean() == pytest.approx(0.4, abs=0.04)
    assert not (hit["age"] & hit["pay"]).any()
    for name, where in hit.items():
        assert set(np.round(factor[name][where].astype(float), 3)) == {0.001, 1000.0}


@pytest.mark.parametrize("scenario", DAMAGES)
def test_damage_keeps_types_and_leaves_the_clean_rows_alone(scenario, inputs):
    before = {name: cells.copy() for name, cells in inputs.items()}
    damaged = DAMAGES[scenario](inputs, 0.5, random())
    for name, cells in before.items():
        assert (inputs[name] == cells).all()
        assert (damaged[name].dtype, damaged[name].shape) == (cells.dtype, cells.shape)


@pytest.mark.parametrize("scenario", DAMAGES)
def test_a_sturdy_model_passes(scenario, inputs, label):
    found = only(run(policy(check(scenario, max_drop=0.2)), sturdy, inputs, label))
    assert (found.name, found.compare, found.support) == (f"auc_drop_{scenario}", "difference", N)
    assert found.outcome is Outcome.PASS, found.reason


@pytest.mark.parametrize("scenario", ["missing", "unknown_category", "unit_error"])
@pytest.mark.parametrize("metric", ["auc", "brier", "log_loss"])
def test_a_fragile_model_fails_in_every_metric(scenario, metric, inputs, label):
    found = only(run(policy(check(scenario, max_drop=0.01, share=0.5, metric=metric)), fragile, inputs, label))
    assert found.outcome is Outcome.FAIL, found.reason
    assert found.estimate > 0.01


def test_a_model_that_answers_nan_fails(inputs, label):
    def honest(columns):
        return sturdy({"age": columns["age"]}) + 0 * columns["pay"][:, 0]

    found = only(run(policy(check("missing")), honest, inputs, label))
    assert found.outcome is Outcome.FAIL
    assert "with missing at 0.1" in found.reason
    assert "of 2000 scores are not a number between 0 and 1" in found.reason


def test_a_model_that_breaks_fails(inputs, label):
    def brittle(columns):
        if (columns["job"] == "(unseen)").any():
            raise KeyError("job")
        return sturdy(columns)

    judgement = run(policy(check("unknown_category"), check("noise")), brittle, inputs, label)
    assert [c.outcome for c in judgement.checks] == [Outcome.FAIL, Outcome.PASS]
    assert "scoring breaks: 'job'" in judgement.checks[0].reason


def test_a_model_that_is_broken_from_the_start_fails_everything(inputs, label):
    judgement = run(policy(check("noise"), check("missing")), lambda columns: np.full(N, np.nan), inputs, label)
    assert {c.outcome for c in judgement.checks} == {Outcome.FAIL}
    assert "on the undamaged rows" in judgement.checks[0].reason


def test_a_users_mistake_is_not_the_models(inputs, label):
    def refuses(columns):
        raise problem("model.onnx", "is not a readable ONNX model")

    with pytest.raises(UserError):
        run(policy(check("noise")), refuses, inputs, label)


@pytest.mark.parametrize(
    ("scenario", "keep", "words"),
    [
        ("noise", ["job"], "no numeric feature that varies"),
        ("unit_error", ["job"], "no numeric feature"),
        ("unknown_category", ["age"], "no text feature"),
    ],
)
def test_a_scenario_without_a_target_does_not_pass(scenario, keep, words, inputs, label):
    part = policy(check(scenario))
    kept = {name: inputs[name] for name in keep}
    found = only(run(part, lambda columns: np.full(N, 0.5), kept, label))
    assert (found.outcome, found.estimate) == (Outcome.INCONCLUSIVE, None)
    assert words in found.reason
    with pytest.raises(NoTargetError):
        DAMAGES["missing"]({}, 0.1, random())


def test_damage_that_touches_nothing_proves_nothing(inputs, label):
    found = only(run(policy(check("missing", share=1e-9)), sturdy, inputs, label))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "damaged no cell" in found.reason


def test_no_rows_never_pass(inputs):
    empty = {name: cells[:0] for name, cells in inputs.items()}
    assert run(policy(check("noise")), sturdy, empty, np.zeros(0, bool)).outcome is Outcome.INCONCLUSIVE


def test_one_class_has_no_auc_to_lose(inputs):
    found = only(run(policy(check("noise")), sturdy, inputs, np.ones(N, bool)))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "both classes" in found.reason


def test_a_damage_does_not_depend_on_the_other_checks(inputs, label):
    alone = run(policy(check("noise")), sturdy, inputs, label).checks[0]
    among = run(policy(check("missing"), check("noise")), sturdy, inputs, label).checks[1]
    assert alone.estimate == among.estimate
    other_seed = run(policy(check("noise")), sturdy, inputs, label, seed=1).checks[0]
    assert other_seed.estimate != alone.estimate
