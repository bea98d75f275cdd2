"""Tables from the fairness literature: the gate finds in their counts what was published with them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.gates.fairness_support import check, policy

from assay.core import Outcome
from assay.gates.fairness import judge, measure

TABLES = Path(__file__).parent / "published"


def rows(name, times):
    table = pd.read_csv(TABLES / name)
    return table.loc[table.index.repeat(table[times])].reset_index(drop=True)


@pytest.fixture(scope="module")
def berkeley():
    return rows("berkeley.csv", "applicants")


def admissions(table, *checks, **more):
    part = policy(*checks, **more)
    admitted = table["admitted"].to_numpy() == 1
    groups = {name: table[name].to_numpy(dtype=object) for name in ("sex", "department")}
    return judge(measure(label=admitted, prediction=admitted, groups=groups, policy=part), part)


def test_berkeley_admits_fewer_women(berkeley):
    judgement = admissions(berkeley, check("selection_rate", max=0.1))
    rates = {group.group["sex"]: group.metrics["selection_rate"] for group in judgement.groups}
    assert [round(100 * rates[sex].estimate, 1) for sex in ("male", "female")] == [44.5, 30.4]  # as in R's own pages
    assert [rates[sex].support for sex in ("male", "female")] == [2691, 1835]
    (found,) = judgement.checks
    assert found.outcome is Outcome.FAIL
    assert found.estimate == pytest.approx(1198 / 2691 - 557 / 1835)
    assert found.groups == [{"sex": "male"}, {"sex": "female"}]


def test_berkeley_by_department_as_published(berkeley):
    judgement = admissions(berkeley, check("selection_rate"), groups=[["department", "sex"]], min_group_size=20)
    rates = {tuple(group.group.values()): group.metrics["selection_rate"].estimate for group in judgement.groups}
    assert {name: round(100 * rate) for name, rate in rates.items()} == {
        ("A", "male"): 62, ("A", "female"): 82, ("B", "male"): 63, ("B", "female"): 68, ("C", "male"): 37,
        ("C", "female"): 34, ("D", "male"): 33, ("D", "female"): 35, ("E", "male"): 28, ("E", "female"): 24,
        ("F", "male"): 6, ("F", "female"): 7,
    }  # fmt: skip


def test_berkeley_admits_women_no_more_rarely_within_departments(berkeley):
    (found,) = admissions(berkeley, check("selection_rate", max=0.1, within="department")).checks
    by = berkeley.groupby(["department", "sex"])["admitted"].mean()
    share = berkeley["department"].value_counts(normalize=True)
    standard = {sex: sum(share[place] * by[place, sex] for place in share.index) for sex in ("male", "female")}
    assert found.name == "selection_rate_difference_within_department"
    assert found.estimate == pytest.approx(standard["female"] - standard["male"])
    assert (found.outcome, found.groups[0]) == (Outcome.PASS, {"sex": "female"})
    assert "the selection rate, at the same mix of department, differs by" in found.reason


@pytest.fixture(scope="module")
def compas():
    table = rows("compas.csv", "defendants")
    part = policy(
        check("fpr", max=0.1), check("fnr", max=0.1), check("ppv", max=0.1), check("accuracy", max=0.1), groups=["race"]
    )
    evidence = measure(
        label=table["recidivated"].to_numpy() == 1,
        prediction=table["high"].to_numpy() == 1,
        groups={"race": table["race"].to_numpy(dtype=object)},
        policy=part,
    )
    return judge(evidence, part)


@pytest.mark.parametrize(
    ("metric", "black", "white"),
    [
        ("fpr", 44.8, 23.5),
        ("fnr", 28.0, 47.7),
        ("ppv", 63.0, 59.1),
        ("npv", 65.0, 71.2),
        ("base_rate", 51.4, 39.4),
        ("accuracy", 63.8, 67.0),
    ],
)
def test_compas_as_published(compas, metric, black, white):
    found = {group.group["race"]: 100 * group.metrics[metric].estimate for group in compas.groups}
    assert found == {
        "African-American": pytest.approx(black, abs=0.051),
        "Caucasian": pytest.approx(white, abs=0.051),
    }


def test_compas_differs_in_its_errors_and_not_in_what_a_high_score_means(compas):
    outcomes = {found.metric: found.outcome for found in compas.checks}
    assert outcomes == {
        "fpr": Outcome.FAIL,
        "fnr": Outcome.FAIL,
        "ppv": Outcome.PASS,
        "accuracy": Outcome.PASS,
    }
    by_errors = {found.metric: found.estimate for found in compas.checks}
    assert np.round([by_errors["fpr"], by_errors["fnr"]], 3).tolist() == [0.214, 0.197]


def test_compas_obeys_what_ties_the_rates_together(compas):
    """Chouldechova (2017): fpr = base / (1 - base) * (1 - ppv) / ppv * (1 - fnr), so unequal bases forbid the rest."""
    for group in compas.groups:
        base, ppv, fnr, fpr = (group.metrics[name].estimate for name in ("base_rate", "ppv", "fnr", "fpr"))
        assert fpr == pytest.approx(base / (1 - base) * (1 - ppv) / ppv * (1 - fnr))
