"""What a policy may ask of the fairness gate, and what it may not."""

import pytest

from assay.core import UserError
from assay.policy import Fairness, FairnessCheck, load_gates, parse_policy

WHOLE = """
schema: 1
model: income
owner: credit
risk_tier: low
data: {source: a.parquet, key: id, label: income, positive: 1, features: [age], sensitive: [sex, race]}
gates:
  performance: {checks: [{metric: auc, min: 0.8}]}
  fairness: FAIRNESS
  robustness: {checks: [{scenario: noise, max_drop: 0.05}]}
rollout: {max_brier: 0.2}
"""


def check(metric="tpr", **more):
    limit = {} if {"min", "max"} & set(more) else {"max": 1}
    return FairnessCheck(metric=metric, **limit, **more)


def part(*checks, groups=("sex",), **more):
    return Fairness(groups=list(groups), checks=list(checks) or [check()], **more)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: check(compare="level", min=0.1, max=0.2), "write min and max as two checks"),
        (lambda: check("auc", within="job"), "within is for rates; auc is made of scores"),
        (lambda: check("mae", within="job"), "within is for rates; mae is made of numbers"),
        (lambda: check(max=1.5), "max must be between 0 and 1, got 1.5"),
        (lambda: check("mae", max=-1), "max must be 0 or more, got -1"),
        (lambda: check("rmse", compare="ratio", min=1.5), "min must be between 0 and 1"),
        (lambda: check("mean_error", max=-1), "max must be 0 or more"),
        (lambda: check("mean_error", compare="ratio", min=0.8), "mean_error has a sign, so a ratio says nothing"),
        (lambda: check(groups=[]), "at least 1 item"),
        (lambda: check(groups=["sex", ["sex"]]), "groups named twice: sex"),
        (lambda: part(groups=["sex", "sex"]), "groups named twice: sex"),
        (lambda: part(groups=["sex", "a*b", ["a", "b"]]), r"\* stands between columns and .* of one: a\*b"),
        (lambda: part(groups=["sex", ["sex", "a*"]]), r"cannot be in the name of one: a\*"),
        (lambda: part(reference={"race": "a"}), "reference names columns that nothing is grouped by: race"),
        (lambda: part(edges={"sex": [2, 1]}), "edges of sex must rise: 2, 1"),
        (lambda: part(check(within="sex")), "within names columns of groups: sex"),
        (lambda: part(check(groups=["race"])), "checks.0.groups are not among groups: race"),
        (lambda: part(check(groups=["sex"]), groups=["sex", "race"]), "no check is made for the groups race"),
        (lambda: part(check(), check("mae", max=3)), "mae need numbers and tpr need classes"),
        (lambda: part(check("auc"), classes=["a"]), "classes have no auc"),
        (lambda: part(check("mae", max=3), classes=["a"]), "classes have no mae"),
        (lambda: part(classes=["a", "a", "b"]), "classes named twice: a"),
        (lambda: part(classes=[1, "1"]), "classes named twice: 1"),
        (lambda: part(classes=[]), "at least 1 item"),
    ],
)
def test_what_contradicts_itself_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unlike_checks_may_have_any_limits():
    part(check(max=0.1), check(compare="ratio", min=0.8), check("fpr", min=0.2), check(min=0.2, within="job"))
    part(check(max=0.1, groups=["sex"]), check(min=0.2, groups=["race"]), groups=["sex", "race"])
    part(check(max=0.1, severity="warning"), check(max=0.2), check(min=0.1))
    assert check("log_loss", max=2).limit.max == 2
    assert check("mean_error", compare="level", min=-3).limit.min == -3
    assert check("mae", max=1e6).numeric


@pytest.mark.parametrize("compare", ["difference", "ratio", "level"])
def test_limits_of_one_quantity_that_nothing_can_meet_are_refused(compare):
    with pytest.raises(ValueError, match=r"checks\.1 and checks\.0 contradict each other: tpr_") as caught:
        part(check(compare=compare, max=0.3), check(compare=compare, min=0.4, groups=["sex"], severity="warning"))
    assert "of at least 0.4 and of at most 0.3" in str(caught.value)


def test_every_contradiction_is_told():
    with pytest.raises(ValueError, match="contradict") as caught:
        part(check(max=0.1), check(min=0.2), edges={"sex": [2, 1]}, reference={"x": "y"})
    for message in ("edges of sex must rise", "reference names", "checks.1 and checks.0"):
        assert message in str(caught.value)


def test_a_check_covers_its_own_groups_however_they_are_ordered():
    some = part(check("tpr", groups=["sex", ["race", "sex"]]), check("fpr"), groups=["sex", "race", ["sex", "race"]])
    assert [[each.metric for each in some.checks_on(names)] for names in some.attributes] == [
        ["tpr", "fpr"],
        ["fpr"],
        ["tpr", "fpr"],
    ]


@pytest.mark.parametrize(
    ("fairness", "message"),
    [
        ("{groups: [sex], classes: [a], checks: [{metric: tpr, max: 0.1}]}",
         "gates.fairness.classes are for labels of several classes; this model decides between two"),
        ("{groups: [sex], checks: [{metric: mae, max: 3}]}",
         "gates.fairness.checks ask for metrics of predicted numbers; this model decides between two classes"),
    ],
)  # fmt: skip
def test_what_only_a_file_of_predictions_has_is_refused_of_a_model(fairness, message, tmp_path):
    with pytest.raises(UserError, match=message):
        parse_policy(WHOLE.replace("FAIRNESS", fairness).encode(), "policy.yaml")
    path = tmp_path / "gates.yaml"
    path.write_text(f"gates: {{fairness: {fairness}}}")
    assert load_gates(path)[0].fairness is not None


@pytest.mark.parametrize(
    ("metric", "hint"), [("tprr", '(did you mean "tpr"?)'), ("selectionrate", '(did you mean "selection_rate"?)')]
)
def test_an_unknown_metric_names_the_nearest(metric, hint):
    fairness = f"{{groups: [sex], checks: [{{metric: {metric}, max: 0.1}}]}}"
    with pytest.raises(UserError) as caught:
        parse_policy(WHOLE.replace("FAIRNESS", fairness).encode(), "policy.yaml")
    (problem,) = caught.value.problems
    assert problem.path == "gates.fairness.checks.0.metric"
    assert str(problem).endswith(f"got '{metric}' {hint}")


def test_contradictions_are_told_beside_keys_that_are_wrong():
    """Pydantic looks at the whole only when each part of it is right; one message tells both."""
    checks = "{metric: tprr, max: 0.1}, {metric: fpr, max: 0.1}, {metric: fpr, min: 0.2}, {metric: auc, min: 1, max: 0}"
    fairness = f"{{groups: [sex, 3], confidenc: 1, checks: [{checks}]}}"
    with pytest.raises(UserError) as caught:
        parse_policy(WHOLE.replace("FAIRNESS", fairness).encode(), "policy.yaml")
    assert [(each.path, each.message.partition(",")[0][:40]) for each in caught.value.problems] == [
        ("gates.fairness.groups.1", "must be a valid string"),
        ("gates.fairness.checks.0.metric", "must be 'selection_rate'"),
        ("gates.fairness.checks.3", "min 1 is above max 0"),
        ("gates.fairness.confidenc", "unknown key"),
        ("gates.fairness", "checks.2 and checks.1 contradict each ot"),
    ]
