"""Checks are drawn with those of their own kind, and what is worse first."""

from tests.governance.verdict.made import check, verdict

from assay.core import Budget, Limit, Outcome
from assay.evidence.pictures.checks import check_figures, group_levels


def captions(*checks, gate="fairness"):
    made = verdict(gate, checks)
    return {figure.caption: [line.name for line in figure.lines] for figure in check_figures(made.checks, made)}


def test_only_what_one_scale_can_hold_is_drawn_together():
    found = captions(
        check(), check(attribute="race"), check("tpr_ratio", compare="ratio"), check("tpr_level", compare="level"),
        check("tpr_difference_gained"), check("tpr_ratio_gained", compare="ratio"),
        check("accuracy_paid", metric="accuracy", attribute=None), check("tpr_difference_within_job"),
    )  # fmt: skip
    assert found["true positive rate: largest difference between groups"] == [
        "by sex",
        "by race",
    ]
    assert set(found) == {
        "true positive rate: largest difference between groups",
        "true positive rate: smallest ratio between groups",
        "true positive rate: the group that is nearest to the limit, or beyond it",
        "true positive rate difference: what the mitigation gained",
        "true positive rate ratio: what the mitigation gained",
        "true positive rate: largest difference between groups, at the same mix of job",
        "accuracy: what the mitigation cost",
    }


def test_the_worst_check_and_its_figure_come_first():
    made = verdict(
        "performance",
        [
            check("auc", Outcome.PASS, metric="auc"), check("ece", Outcome.FAIL, metric="ece", severity="warning"),
            check("brier", Outcome.INCONCLUSIVE, metric="brier"), check("brier_2", Outcome.FAIL, metric="brier"),
        ],
    )  # fmt: skip
    figures = check_figures(made.checks, made)
    assert [figure.caption.partition(":")[0] for figure in figures] == [
        "Brier score",
        "expected calibration error",
        "AUC",
    ]
    assert [line.name for line in figures[0].lines] == ["brier 2 by sex", "brier by sex"]


def test_no_effect_is_marked_where_there_is_one():
    anchors = {
        kind: check_figures(made.checks, made)[0].anchor
        for kind in ("difference", "ratio", "excess", "level")
        for made in [verdict("performance", [check("x", compare=kind, limit=Limit(max=1))])]
    }
    assert anchors == {"difference": 0.0, "ratio": 1.0, "excess": 0.0, "level": None}


def test_how_sure_the_intervals_are_is_said():
    made = verdict("fairness", [check()], budget=Budget(attempt=1, confidence=0.95, level=0.97))
    (figure,) = check_figures(made.checks, made)
    assert figure.level == "The intervals of the fairness gate hold together, over all attempts, with 95 % confidence."
    assert group_levels(made) == "Each interval by itself at 95 % confidence."
    assert group_levels(verdict("performance", [check()])).startswith(
        "The intervals of one kind of group hold together"
    )
    assert group_levels(verdict("contract", [check(confidence=None)])) == ""


def test_checks_that_their_attribute_does_not_tell_apart_keep_their_names():
    found = captions(check("tpr_difference"), check("tpr_difference_2"))
    assert list(found.values()) == [["tpr difference by sex", "tpr difference 2 by sex"]]
