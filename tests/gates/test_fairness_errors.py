"""Models that predict numbers: errors by group, with intervals that hold."""

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import ttest_1samp
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from tests.gates.fairness_support import check, policy

from assay.core import Outcome, UserError
from assay.gates.fairness import judge, measure
from assay.gates.fairness.errors import ERRORS, summarise_errors


def prices(n=2000, seed=0, worse=1.5):
    """Predictions of one group spread more, and lie higher."""
    random = np.random.default_rng(seed)
    town = random.choice(np.array(["a", "b", None], dtype=object), n, p=[0.5, 0.4, 0.1])
    label = random.normal(100, 20, n)
    spread = np.where(town == "a", 1.0, worse)
    return {
        "label": label,
        "prediction": label + (town == "b") * 0.5 + spread * random.normal(size=n),
        "weights": random.gamma(2, size=n),
        "groups": {"town": town},
    }


def part(*checks, groups=("town",), **more):
    return policy(*(checks or [check("mae", max=5)]), groups=groups, **more)


def mean_error(label, prediction, sample_weight):
    return np.average(prediction - label, weights=sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_equal_scikit_learn_and_fairlearn(weighted):
    rows = prices()
    if not weighted:
        rows["weights"] = None
    every = part(check("mae", max=5), check("rmse", compare="ratio", min=0.1), check("mean_error", max=5))
    judgement = judge(measure(**rows, policy=every), every)
    weight = rows["weights"] if weighted else np.ones(2000)
    frame = MetricFrame(
        metrics={
            "mae": mean_absolute_error,
            "rmse": root_mean_squared_error,
            "mean_error": mean_error,
        },
        y_true=rows["label"],
        y_pred=rows["prediction"],
        sensitive_features=np.where(rows["groups"]["town"] == None, "(missing)", rows["groups"]["town"]).astype(str),  # noqa: E711
        sample_params={name: {"sample_weight": weight} for name in ERRORS},
    )
    for group in judgement.groups:
        theirs = frame.by_group.loc[group.group["town"]]
        assert set(group.metrics) == set(ERRORS)
        for name in ERRORS:
            assert group.metrics[name].estimate == pytest.approx(theirs[name])
            low, high = group.metrics[name].interval
            assert low < theirs[name] < high
    found = {each.name: each.estimate for each in judgement.checks}
    assert found["mae_difference"] == pytest.approx(frame.difference()["mae"])
    assert found["rmse_ratio"] == pytest.approx(frame.ratio()["rmse"])
    assert found["mean_error_difference"] == pytest.approx(frame.difference()["mean_error"])


def test_the_mean_errors_interval_is_students():
    error = np.random.default_rng(0).normal(0.3, 1, 25)
    (group,) = summarise_errors([{"town": "a"}], np.zeros(25, dtype=np.intp), error, None)
    expected = ttest_1samp(error, 0).confidence_interval(0.95)
    assert group.estimate("mean_error", 0.95) == pytest.approx((error.mean(), expected.low, expected.high))


@pytest.mark.parametrize(
    ("checks", "outcomes"),
    [
        ([check("mae", max=1)], [Outcome.PASS]),
        ([check("mae", max=0.1)], [Outcome.FAIL]),
        ([check("rmse", compare="ratio", min=0.9)], [Outcome.FAIL]),
        ([check("mean_error", compare="level", max=0.8), check("mean_error", compare="level", min=-0.3)],
         [Outcome.PASS, Outcome.PASS]),
        ([check("mean_error", compare="level", max=0.3), check("mean_error", compare="level", min=0.0)],
         [Outcome.FAIL, Outcome.INCONCLUSIVE]),
        ([check("mae", max=0.6)], [Outcome.INCONCLUSIVE]),
    ],
)  # fmt: skip
def test_whole_intervals_decide(checks, outcomes):
    every = part(*checks)
    assert [found.outcome for found in judge(measure(**prices(), policy=every), every).checks] == outcomes


def test_a_reason_is_in_words_and_in_the_labels_own_unit():
    near = part(check("mae", max=0.6))
    reason = judge(measure(**prices(), policy=near), near).checks[0].reason
    assert reason.startswith("Between town=(missing) and town=a the mean absolute error differs by 0.6")
    assert "allowed is at most 0.6: these data cannot tell. With " in reason
    assert "it is known to within" in reason


@pytest.mark.parametrize("metric", ERRORS)
def test_errors_that_do_not_vary_tell_nothing_about_others(metric):
    rows = prices(400)
    rows["prediction"] = rows["label"].copy()
    alike = part(check(metric, max=1), min_group_size=10)
    judgement = judge(measure(**rows, policy=alike), alike)
    (found,) = judgement.checks
    assert (found.outcome, found.interval) == (Outcome.INCONCLUSIVE, None)
    assert "errors that do not vary: town=" in found.reason
    assert judgement.groups[0].metrics[metric].estimate == 0


def test_small_and_weightless_groups_are_told():
    rows = prices()
    rows["groups"]["town"][:7] = "c"
    rows["weights"][rows["groups"]["town"] == "b"] = 0
    reason = judge(measure(**rows, policy=part()), part()).checks[0].reason
    assert "not measured, no weight: town=b" in reason
    assert "not measured, fewer than 100 rows: town=c (7 rows)" in reason


def test_the_order_of_rows_does_not_matter():
    rows = prices(300)
    at = np.random.default_rng(4).permutation(300)
    again = {name: rows[name][at] for name in ("label", "prediction", "weights")}
    again["groups"] = {"town": rows["groups"]["town"][at]}
    assert measure(**rows, policy=part()) == measure(**again, policy=part())


def test_bad_numbers_are_told_together():
    rows = prices(50)
    rows["label"][:3], rows["prediction"][0] = np.nan, np.inf
    with pytest.raises(UserError) as caught:
        measure(**rows | {"weights": np.full(50, -1.0)}, policy=part(groups=["twn"]))
    assert [each.path for each in caught.value.problems] == ["twn", "weights", "label", "prediction"]
    assert "label: is not a finite number in 3 of 50 rows" in str(caught.value)


def test_no_rows_never_pass():
    assert judge(measure(**prices(0), policy=part()), part()).outcome is Outcome.INCONCLUSIVE


SIZES, RUNS = (20, 100, 500, 5000), 1500


@pytest.mark.parametrize("metric", ERRORS)
def test_simulated_coverage(metric, capsys):
    """Seeded, errors normal and skewed: at 95 %; what small samples of skewed errors fall short by, is printed."""
    random, found = np.random.default_rng(21), {}
    for skewed in (False, True):
        for n in SIZES:
            runs = max(300, RUNS * 20 // n)
            drawn = random.exponential(1, (runs, n)) - 0.5 if skewed else random.normal(0.5, 1, (runs, n))
            second = (1 - 0.5) ** 2 + 1 if skewed else 0.25 + 1
            # mean of |x - 1/2|, x exponential, and of |z + 1/2|, z normal
            first = 2 * np.exp(-0.5) - 0.5 if skewed else 0.8955930801
            truth = {"mae": first, "rmse": second**0.5, "mean_error": 0.5}[metric]
            groups = summarise_errors(
                [{"g": str(i)} for i in range(runs)], np.repeat(np.arange(runs), n), drawn.ravel(), None
            )
            limits = [group.estimate(metric, 0.95)[1:] for group in groups]
            found["skewed" if skewed else "normal", n] = float(np.mean([low <= truth <= high for low, high in limits]))
    with capsys.disabled():
        print(f"\n{metric}: " + ", ".join(f"{kind} n={n}: {share:.3f}" for (kind, n), share in found.items()))
    assert np.mean([share for (kind, _), share in found.items() if kind == "normal"]) > 0.935
    assert min(share for (kind, n), share in found.items() if n >= 500) > 0.9
    assert min(found.values()) > 0.8  # few skewed errors do not show their tail
