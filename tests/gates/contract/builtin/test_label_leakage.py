from datetime import time

import numpy as np
import pytest
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.facts import Values
from assay.gates.contract.builtin.label import labelled, positive_class, spelling
from assay.gates.contract.builtin.label_leakage import associate, similarity

ROLES = Roles(key="id", label="bought", positive=1)
N = 2000


def table(**more):
    rng = np.random.default_rng(1)
    label = rng.random(N) < 0.3
    return {"id": range(N), "bought": label.astype(int), "age": rng.integers(18, 90, N), **more}, label, rng


def test_what_was_known_before_passes_and_says_which_is_nearest(tmp_path):
    data, label, rng = table()
    data["spent"] = label * 0.5 + rng.normal(0, 1, N)
    found = checks(tmp_path, data, only("label_leakage"), roles=ROLES)
    ((name, attribute), check) = next(iter(found.items()))
    assert len(found) == 1
    assert (name, attribute, check.outcome) == ("label_leakage", "spent", Outcome.PASS)
    assert check.interval[0] <= check.estimate <= check.interval[1] < 0.95
    assert "one other column keeps" in check.reason


@pytest.mark.parametrize("form", ["copy", "text", "missing", "hump", "noisy"])
def test_a_leak_fails_in_whatever_form(tmp_path, form):
    data, label, rng = table()
    noise = rng.normal(0, 1, N)
    leaked = {
        "copy": label.astype(float),
        "text": np.where(label, "approved", "declined"),
        "missing": [None if one else float(x) for one, x in zip(label, noise, strict=True)],
        "hump": np.where(label, rng.uniform(-1, 1, N), np.sign(noise) * rng.uniform(1.1, 3, N)),
        "noisy": label * 6 + noise,
    }[form]
    found = checks(tmp_path, {**data, "after": leaked}, only("label_leakage"), roles=ROLES)
    assert found["label_leakage", "after"].outcome is Outcome.FAIL
    assert "Leave it out of the features" in found["label_leakage", "after"].reason
    assert found["label_leakage", "age"].outcome is Outcome.PASS


def test_many_categories_without_meaning_do_not_seem_to_leak(tmp_path):
    data, _, rng = table()
    found = checks(
        tmp_path, {**data, "street": rng.integers(0, 800, N).astype(str)}, only("label_leakage"), roles=ROLES
    )
    assert max(check.estimate for check in found.values()) < 0.6
    assert all(check.outcome is Outcome.PASS for check in found.values())


def test_a_name_like_the_labels_warns(tmp_path):
    data, _, rng = table()
    found = checks(tmp_path, {**data, "is_bought_2": rng.random(N)}, only("label_leakage"), roles=ROLES)
    check = found["label_leakage", "is_bought_2"]
    assert (check.outcome, check.severity, check.metric) == (Outcome.FAIL, "warning", "name_similarity")


@pytest.mark.parametrize(
    ("name", "like"), [("Income_label", 1), ("y_income", 1), ("incomes", 12 / 13), ("isIncome", 1)]
)
def test_names_are_compared_without_the_usual_additions(name, like):
    assert similarity(name, "income") == pytest.approx(like)


def test_too_few_rows_tell_nothing_and_one_class_is_none(tmp_path):
    few = {"id": [1, 2, 3, 4], "bought": [0, 1, 0, 1], "after": [0.0, 1.0, 0.0, 1.0]}
    assert checks(tmp_path, few, only("label_leakage"), roles=ROLES)["label_leakage", "after"].outcome is (
        Outcome.INCONCLUSIVE
    )
    one = {"id": range(9), "bought": [0] * 9, "after": range(9)}
    check = checks(tmp_path, one, only("label_leakage"), roles=ROLES)["label_leakage", "after"]
    assert (check.outcome, check.estimate) == (Outcome.INCONCLUSIVE, None)
    assert "spelled as in the data" in check.reason


@pytest.mark.parametrize("column", ["after", "bought"])
@pytest.mark.parametrize("form", [lambda value: str(value).encode(), lambda value: [value], lambda _: time(1)])
def test_what_cannot_be_ranked_does_not_pass(tmp_path, column, form):
    data, label, _ = table()
    data["after"] = label.astype(float)
    data[column] = [form(value) for value in data[column].tolist()]
    roles = Roles(key="id", label="bought", positive=1, features=["after"])
    check = checks(tmp_path, data, only("label_leakage"), roles=roles)["label_leakage", "after"]
    assert (check.outcome, check.severity, check.estimate) == (Outcome.INCONCLUSIVE, "critical", None)
    assert f"{column} is " in check.reason
    assert "neither number, time nor text" in check.reason


@pytest.mark.parametrize("rows", [20, 36, 2000])
def test_a_leak_is_seen_in_rows_that_come_in_turns_and_never_passes_though_they_are_few(tmp_path, rows):
    label = np.arange(rows) % 2
    data = {"id": range(rows), "bought": label, "after": label + 0.5, "luck": np.arange(rows) // 2}
    found = checks(tmp_path, data, only("label_leakage"), roles=ROLES)
    assert found["label_leakage", "after"].outcome is (Outcome.FAIL if rows == 2000 else Outcome.INCONCLUSIVE)
    assert found["label_leakage", "after"].estimate == 1
    assert ("label_leakage", "luck") not in found or found["label_leakage", "luck"].estimate < 0.9


def test_a_label_without_a_positive_class_is_not_ranked(tmp_path):
    many = {"id": range(9), "bought": list("abcabcabc"), "x": range(9)}
    assert checks(tmp_path, many, only("label_leakage"), roles=Roles(key="id", label="bought")) == {}


@pytest.mark.parametrize(("written", "positive"), [([1.0, 0.0], True), (["1", "0"], 1), (["true", "False"], "1")])
def test_a_class_has_one_spelling(written, positive):
    wanted = spelling(positive)
    if isinstance(written[0], float):
        values = Values(numbers=np.array([*written, np.nan]))
    else:
        values = Values(codes=np.array([0, 1, -1]), texts=written)
    assert labelled(values, wanted).tolist() == [1, 0, -1]
    assert positive_class({"a": 3, "b": 2}, None) == "b"
    assert positive_class({"a": 3}, None) is None


def test_without_a_leak_the_estimate_is_not_flattered():
    rng = np.random.default_rng(0)
    label = (rng.random(1000) < 0.5).astype(np.int8)
    codes = rng.integers(0, 60, 1000)
    found = [associate("x", Values(codes=rng.permutation(codes), texts=[str(n) for n in range(60)]), label, 0.0).auc
             for _ in range(200)]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)
