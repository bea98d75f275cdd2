"""What decisions cost, how long the model takes and how large it is."""

import numpy as np
import pytest
from scipy.stats import binom
from tests.gates.performance_support import named, policy, run, world

from assay.core import TIMED, Outcome
from assay.gates.performance import timing

COST = {"currency": "USD", "tp": -10, "fp": 3, "fn": 5, "tn": 0}


def priced(**limits):
    return policy({"metric": "auc", "min": 0.1}, cost={**COST, **limits})


def test_a_cost_is_the_mean_over_the_matrix():
    label, score = world()
    check = named(run(priced(max=1), label, score))["cost"]
    decided = score >= 0.5
    table = {(True, True): -10, (False, True): 3, (True, False): 5, (False, False): 0}
    each = np.array([table[pair] for pair in zip(label.tolist(), decided.tolist(), strict=True)])
    assert check.estimate == pytest.approx(each.mean())
    assert check.interval[0] < each.mean() < check.interval[1]
    assert (check.compare, check.limit.max, check.outcome) == ("level", 1, Outcome.PASS)


@pytest.mark.parametrize(
    ("prices", "verb", "sign"),
    [((0, 100, 100, 0), "costs", 1), ((-1, 0, 0, 0), "gains", -1), ((0, 0.01, 0, 0), "costs", 1)],
)
def test_a_cost_is_said_in_the_currency(prices, verb, sign):
    label, score = world()
    cost = {"currency": "USD", "max": 500, **dict(zip(("tp", "fp", "fn", "tn"), prices, strict=True))}
    check = named(run(policy({"metric": "auc", "min": 0.1}, cost=cost), label, score))["cost"]
    words = check.reason.partition("; a decision ")[2].split()
    said, one, thousand, low, high = (words[at] for at in (0, 1, 7, 8, 9))
    assert (said, words[2:7]) == (verb, ["USD", "on", "average,", "a", "thousand"])
    numbers = [float(each.strip("[],").replace(",", "")) for each in (one, thousand, low, high)]
    low, high = sorted(sign * end for end in check.interval)
    assert numbers == pytest.approx(
        [abs(check.estimate), 1000 * abs(check.estimate), 1000 * low, 1000 * high], rel=1e-3
    )


def test_a_dearer_model_is_inferior():
    label, score = world()
    never = np.zeros(3000, bool)
    found = named(run(priced(margin=0.1), label, score, score, prediction=never))["cost_vs_champion"]
    assert (found.outcome, found.compare) == (Outcome.FAIL, "difference")
    assert "USD more than the champion's, a thousand" in found.reason
    same = named(run(priced(margin=0.1), label, score, score))["cost_vs_champion"]
    assert (same.interval, same.outcome) == ((0, 0), Outcome.PASS)
    assert "cost_vs_champion" not in named(run(priced(margin=0.1), label, score))


def test_false_passes_of_a_cost_are_rarer_than_promised():
    label, score = world(1_000_000, seed=99)
    truth = named(run(priced(max=0), label, score))["cost"].estimate
    part, runs = policy({"metric": "auc", "min": 0.1}, cost={**COST, "max": truth}, confidence=0.8), 300
    passes = sum(named(run(part, *world(400, seed=seed)))["cost"].outcome is Outcome.PASS for seed in range(runs))
    assert binom.sf(passes - 1, runs, 0.1) > 1e-3


BUDGET = {"rows": 4, "p50_ms": 5, "p99_ms": 50}


def timed(*budgets, **more):
    return policy({"metric": "auc", "min": 0.1}, latency=list(budgets), **more)


class Clock:
    """A clock that stands still but for what a model's calls take."""

    def __init__(self, monkeypatch, milliseconds):
        self.now, self.rows = 0.0, []
        self.milliseconds = iter(milliseconds)
        monkeypatch.setattr(timing, "perf_counter", lambda: self.now)

    def model(self, asked):
        self.rows.append(asked["x"][:, 0].tolist())
        self.now += next(self.milliseconds) / 1000


def judged(part, clock, size=None):
    label, score = world(10)
    inputs = {"x": np.arange(10.0)[:, None]}
    return named(run(part, label, score, inputs=inputs, model=clock.model, size=size))


def test_latencies_are_quantiles_of_calls_after_a_warm_up(monkeypatch):
    times = [40] * 20 + [1] * 1500 + [3] * 500
    clock = Clock(monkeypatch, times)
    found = judged(timed(BUDGET), clock)
    median, slowest = found["latency_p50_4_rows"], found["latency_p99_4_rows"]
    assert (median.estimate, median.compare, median.support) == (pytest.approx(1), TIMED, 2000)
    assert slowest.estimate == pytest.approx(3)
    assert slowest.interval == (pytest.approx(3), pytest.approx(3))
    assert {median.outcome, slowest.outcome} == {Outcome.PASS}
    assert clock.rows[:3] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]


def test_a_slow_model_fails_and_a_sometimes_slow_one_at_its_99th_percentile(monkeypatch):
    slow = judged(timed({"rows": 1, "p50_ms": 1}), Clock(monkeypatch, [2] * 2020))
    assert slow["latency_p50_1_row"].outcome is Outcome.FAIL
    times = [1000 if at % 20 == 19 else 0.01 for at in range(400)]  # ten seconds are over after 220 of them
    found = judged(timed({"rows": 1, "p50_ms": 1, "p99_ms": 1}), Clock(monkeypatch, times))
    assert found["latency_p50_1_row"].outcome is Outcome.PASS
    assert found["latency_p99_1_row"].outcome is Outcome.INCONCLUSIVE
    assert "cannot be told from 180 calls of 1 row each: they took too long" in found["latency_p99_1_row"].reason


def test_a_model_without_rows_to_time_is_inconclusive():
    label, score = np.zeros(0, bool), np.zeros(0)
    found = named(run(timed(BUDGET), label, score, inputs={"x": np.zeros((0, 1))}, model=lambda rows: rows))
    assert found["latency_p50_4_rows"].outcome is Outcome.INCONCLUSIVE
    assert found["latency_p50_4_rows"].reason == "no call was timed"


@pytest.mark.parametrize(("size", "outcome"), [(999_999, Outcome.PASS), (1_000_001, Outcome.FAIL)])
def test_size(size, outcome, monkeypatch):
    found = judged(policy({"metric": "auc", "min": 0.1}, size_mb=1), Clock(monkeypatch, []), size=size)["size_mb"]
    assert (found.outcome, found.estimate, found.interval) == (outcome, size / 1e6, (size / 1e6, size / 1e6))
