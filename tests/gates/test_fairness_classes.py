"""Labels of several classes: each declared class as one against the rest."""

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from scipy.stats import binom
from sklearn.metrics import multilabel_confusion_matrix, precision_score
from tests.gates.fairness_support import check, policy

from assay.core import MISSING, Outcome, UserError
from assay.gates.fairness import judge, measure

CLASSES = ["setosa", "versicolor", "virginica"]


def flowers(n=3000, seed=0):
    random = np.random.default_rng(seed)
    label = random.choice(np.array(CLASSES, dtype=object), n, p=[0.5, 0.3, 0.2])
    right = random.random(n) < 0.7
    return {
        "label": label,
        "prediction": np.where(right, label, random.choice(np.array(CLASSES, dtype=object), n)),
        "weights": random.gamma(2, size=n),
        "groups": {
            "garden": random.choice(np.array(["north", "south", None], dtype=object), n, p=[0.5, 0.4, 0.1]),
            "year": random.choice(["1", "2"], n),
        },
    }


def part(*checks, classes=CLASSES, groups=("garden",), **more):
    return policy(*(checks or [check("tpr", max=0.3)]), groups=groups, classes=classes, **more)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_class_against_the_rest_equals_fairlearn_and_scikit_learn(weighted):
    rows = flowers()
    weight = rows["weights"] if weighted else np.ones(3000)
    rows["weights"] = weight if weighted else None
    ours = judge(measure(**rows, policy=part(groups=[["garden", "year"]])), part(groups=[["garden", "year"]]))
    groups = {"garden": np.where(rows["groups"]["garden"] == None, MISSING, rows["groups"]["garden"]).astype(str),  # noqa: E711
              "year": rows["groups"]["year"]}  # fmt: skip
    for name in CLASSES:
        label, decided = rows["label"] == name, rows["prediction"] == name
        frame = MetricFrame(
            metrics={"tpr": true_positive_rate, "fpr": false_positive_rate, "selection_rate": selection_rate},
            y_true=label,
            y_pred=decided,
            sensitive_features=groups,
            sample_params={each: {"sample_weight": weight} for each in ("tpr", "fpr", "selection_rate")},
        )
        for group in ours.groups:
            theirs = frame.by_group.loc[(group.group["garden"], group.group["year"])]
            for metric in theirs.index:
                assert group.metrics[f"{metric}[{name}]"].estimate == pytest.approx(theirs[metric], abs=1e-12)
            inside = (groups["garden"] == group.group["garden"]) & (groups["year"] == group.group["year"])
            precision = precision_score(label[inside], decided[inside], sample_weight=weight[inside])
            assert group.metrics[f"ppv[{name}]"].estimate == pytest.approx(precision)
        (found,) = (each for each in ours.checks if each.name == f"tpr_difference[{name}]")
        assert found.estimate == pytest.approx(frame.difference()["tpr"])
        assert found.metric == f"tpr[{name}]"
        assert f"the true positive rate for {name} differs" in found.reason


def test_counts_are_those_of_the_confusion_matrix():
    rows = flowers(500)
    evidence = measure(**rows | {"weights": None}, policy=part())
    table = multilabel_confusion_matrix(rows["label"], rows["prediction"], labels=CLASSES)
    for name, ((tn, fp), (fn, tp)) in zip(CLASSES, table, strict=True):
        groups = evidence.classes[name].attributes["garden"]
        assert [sum(getattr(group, kind) for group in groups) for kind in ("tn", "fp", "fn", "tp")] == [tn, fp, fn, tp]


def test_only_declared_classes_are_compared_and_every_group_is_told_once():
    rows = flowers()
    some = part(check("tpr", max=0.3), check("fpr", max=0.3), classes=["virginica"], groups=["garden", "year"])
    judgement = judge(measure(**rows, policy=some), some)
    assert [(found.name, found.attribute) for found in judgement.checks] == [
        ("tpr_difference[virginica]", "garden"),
        ("fpr_difference[virginica]", "garden"),
        ("tpr_difference[virginica]", "year"),
        ("fpr_difference[virginica]", "year"),
    ]
    groups = [group.group for group in judge(measure(**rows, policy=part()), part()).groups]
    assert groups == [{"garden": MISSING}, {"garden": "north"}, {"garden": "south"}]


def test_strata_and_rows_that_stand_for_several():
    rows = flowers(300) | {"weights": None}
    times = np.random.default_rng(1).integers(1, 5, 300)
    cut = part(check("tpr", max=0.5, within="year"))
    again = {name: np.repeat(rows[name], times) for name in ("label", "prediction")}
    again["groups"] = {name: np.repeat(values, times) for name, values in rows["groups"].items()}
    assert measure(**rows, policy=cut, times=times) == measure(**again, policy=cut)


def test_classes_written_as_numbers():
    rows = flowers()
    codes = {name: np.array([CLASSES.index(each) for each in rows[name]]) for name in ("label", "prediction")}
    numbered = part(classes=[0, 1, 2])
    texts = judge(measure(**rows, policy=part()), part()).checks
    numbers = judge(measure(**rows | codes, policy=numbered), numbered).checks
    assert [found.interval for found in numbers] == [found.interval for found in texts]
    assert numbers[1].name == "tpr_difference[1]"


def test_what_is_wrong_with_classes_is_told_together():
    rows = flowers(200)
    rows["prediction"][:2] = ["rosa", None]
    with pytest.raises(UserError) as caught:
        measure(**rows, policy=part(classes=["setosa", "versicolour", "x"], groups=["gardn"]))
    assert [str(each) for each in caught.value.problems] == [
        'gardn: no such group column (did you mean "garden"?)',
        "prediction: has rows without a value (leave such rows out)",
        'gates.fairness.classes: "versicolour" never occurs in label (did you mean "versicolor"?)',
        'gates.fairness.classes: "x" never occurs in label (known: setosa, versicolor, virginica)',
        "prediction: holds classes that label does not: rosa (write labels and predictions in the same words)",
    ]
    with pytest.raises(ValueError, match="of two classes"):
        measure(**flowers(200), policy=part(), score=np.zeros(200))


def test_a_class_that_one_group_lacks_is_inconclusive_for_that_class_alone():
    rows = flowers()
    lacks = (rows["groups"]["garden"] == "north") & (rows["label"] == "virginica")
    rows["label"][lacks] = "setosa"
    found = {each.name: each for each in judge(measure(**rows, policy=part()), part()).checks}
    assert found["tpr_difference[virginica]"].outcome is Outcome.INCONCLUSIVE
    assert "not measured, no positives: garden=north" in found["tpr_difference[virginica]"].reason
    assert found["tpr_difference[versicolor]"].interval is not None


def test_no_rows_never_pass():
    empty = flowers(0)
    assert judge(measure(**empty, policy=part()), part()).outcome is Outcome.INCONCLUSIVE


def test_simulated_joint_level_over_classes():
    """Seeded: no difference anywhere; any interval that misses 0, of any class, is an error."""
    runs, errors = 60, 0
    every = part(check("tpr", min=0.0), check("fpr", min=0.0), confidence=0.8, min_group_size=1)
    for seed in range(runs):
        rows = flowers(500, seed) | {"weights": None}
        errors += any(found.interval[0] > 0 for found in judge(measure(**rows, policy=every), every).checks)
    assert binom.sf(errors - 1, runs, 0.2) > 1e-3
    assert errors > 0
