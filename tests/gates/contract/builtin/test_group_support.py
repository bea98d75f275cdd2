import re

import numpy as np
import pytest
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.policy import Fairness, FairnessCheck
from assay.stats.intervals import newcombe_difference

ROLES = Roles(key="id", label="y", positive=1, sensitive=["sex", "age"])


def table(counts, rate=0.3):
    sex = np.repeat(list(counts), list(counts.values()))
    n = len(sex)
    return {"id": range(n), "sex": sex, "age": np.arange(n) % 80, "y": (np.arange(n) % 10 < 10 * rate).astype(int)}


def support(folder, data, *limits, groups=("sex",), share=0.3, **parts):
    edges = {"age": [30.0, 60.0]} if "age" in groups else {}
    fairness = Fairness(groups=list(groups), checks=[FairnessCheck(**each) for each in limits], edges=edges)
    return checks(folder, data, only("group_support", **parts), roles=ROLES, fairness=fairness, test_share=share)


TPR = {"metric": "tpr", "max": 0.1}


@pytest.mark.parametrize(("women", "outcome"), [(300, Outcome.FAIL), (20_000, Outcome.PASS)])
def test_a_group_must_be_large_enough_for_the_limit(tmp_path, women, outcome):
    check = support(tmp_path, table({"m": 40_000, "f": women}), TPR)["group_support", "sex"]
    assert (check.outcome, check.severity, check.groups) == (outcome, "warning", [{"sex": "f"}])
    assert check.support == round(women * 0.3 * 0.3)
    assert f"f has about {check.support:,} positive rows" in check.reason


@pytest.mark.parametrize(("men", "women"), [(4000, 1000), (200, 100), (2000, 300)])
def test_as_many_rows_as_it_asks_for_are_enough(tmp_path, men, women):
    found = support(tmp_path, table({"m": men, "f": women}), TPR)["group_support", "sex"]
    needed = float(re.search(r"it takes about ([\d,]+)", found.reason)[1].replace(",", "")) / found.support
    more, less = (support(tmp_path, table({"m": int(times * men), "f": int(times * women)}), TPR)
                  for times in (1.1 * needed, 0.8 * needed))  # fmt: skip
    assert more["group_support", "sex"].outcome is Outcome.PASS
    assert less["group_support", "sex"].outcome is Outcome.FAIL


def test_what_it_calls_enough_decides_as_often_as_the_power_says(tmp_path):
    check = support(tmp_path, table({"m": 4000, "f": 4000}), TPR)["group_support", "sex"]
    gap, n = check.estimate * 0.1, check.support
    rng = np.random.default_rng(0)
    high, low = rng.binomial(n, 0.5 + gap / 2, 3000), rng.binomial(n, 0.5 - gap / 2, 3000)
    told = np.mean([newcombe_difference(a, n, b, n, 0.95).low > 0 for a, b in zip(high, low, strict=True)])
    assert told == pytest.approx(0.8, abs=0.03)


def test_intersections_and_cut_numbers_are_groups(tmp_path):
    data = table({"m": 20_000, "f": 20_000})
    found = support(tmp_path, data, TPR, groups=("age", ["sex", "age"]))
    assert set(found) == {("group_support", "age"), ("group_support", "sex*age")}
    assert found["group_support", "sex*age"].estimate > found["group_support", "age"].estimate
    assert "1 of 3" not in found["group_support", "age"].reason


def test_ratios_have_their_own_measure_and_levels_none(tmp_path):
    data = table({"m": 40_000, "f": 2000})
    ratio = support(tmp_path, data, {"metric": "selection_rate", "compare": "ratio", "min": 0.8})
    assert ratio["group_support", "sex"].support == 600
    assert support(tmp_path, data, {"metric": "tpr", "compare": "level", "min": 0.8}) == {}
    assert support(tmp_path, data, {"metric": "auc", "max": 0.1}) == {}


def test_one_group_alone_tells_nothing(tmp_path):
    assert support(tmp_path, table({"m": 100}), TPR)["group_support", "sex"].outcome is Outcome.INCONCLUSIVE


def test_it_is_not_asked_without_a_fairness_gate(tmp_path):
    assert checks(tmp_path, table({"m": 100, "f": 100}), only("group_support"), roles=ROLES) == {}
