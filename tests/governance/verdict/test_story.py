"""A verdict in plain words says what was judged, what came of it, why, and what can be done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.governance.verdict.made import check, group, verdict

from assay.core import Budget, Outcome
from assay.evidence.card.words import TIMES
from assay.governance.verdict.story import TOLD, phrase, rows, story

PASS, FAIL, UNSURE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR
GROUPS = [group(60, sex="F"), group(40, sex="M"), group(60, sex="F", race="x"), group(40, sex="M", race="x")]


@pytest.mark.parametrize(
    ("outcome", "said", "means", "next_step"),
    [
        (PASS, "It passes: all 2 checks that decide do.", "says nothing of what the policy does not", "Nothing has"),
        (FAIL, "It fails: 2 of the 2 checks that decide lie wholly beyond", "luck of the draw", "mitigation"),
        (UNSURE, "It is inconclusive: 2 of the 2 checks", "That is no pass", "Gather more rows"),
        (ERROR, "It could not be measured: 2 of the 2", "Nothing was judged", "run the task again"),
    ],
)
def test_every_outcome_has_its_words(outcome, said, means, next_step):
    told = story(verdict("fairness", [check("a", outcome), check("b", outcome)], GROUPS))
    assert told.outcome.startswith(said)
    assert means in told.means
    assert next_step in told.next


def test_it_says_what_was_judged_and_on_how_many_rows():
    told = story(verdict("fairness", [check()], GROUPS))
    assert told.asked == (
        "The fairness gate asked whether the model treats groups of people differently, by sex and "
        f"sex {TIMES} race. It measured 100 rows of the data toy-0123456789abcdef."
    )
    bins = [group(80, score="[0, 0.5)"), group(40, score="[0.5, 1]")]
    performance = verdict("performance", [check("auc", attribute=None, support=500), check("auc_vs_champion")], bins)
    assert story(performance).asked == (
        "The performance gate asked whether the model is good enough, and no worse than the one that serves now. "
        "It measured 500 rows of the data toy-0123456789abcdef."
    )


def test_what_decided_is_told_first_and_the_rest_counted():
    checks = [check(f"c{at}", FAIL) for at in range(TOLD + 3)]
    told = story(verdict("fairness", [check("fine", PASS), check("minor", FAIL, severity="warning"), *checks]))
    assert [reason for _, reason in told.decided] == [f"the reason of c{at}" for at in range(TOLD)]
    assert told.more == 3
    assert f"{TOLD + 3} of the {TOLD + 4} checks that decide" in told.outcome


def test_a_pass_names_the_check_nearest_to_its_limit_and_what_does_not_decide():
    near, far = (check(n, PASS, interval=i) for n, i in (("near", (0, 0.09)), ("far", (0, 0.01))))
    told = story(verdict("fairness", [far, near, check("minor", FAIL, severity="warning")]))
    assert [reason for _, reason in told.decided] == ["the reason of near"]
    assert "1 other does not pass, and does not decide" in told.outcome


def test_a_count_that_failed_blames_no_luck():
    counted = check("unique", FAIL, estimate=3.0, interval=None)
    assert "no luck is in it" in story(verdict("contract", [counted])).means


@pytest.mark.parametrize("checks", [[], [check("minor", FAIL, severity="info")]])
def test_nothing_that_decides_is_no_pass(checks):
    made = verdict("fairness", checks)
    assert made.outcome is UNSURE
    assert "It is inconclusive: no" in story(made).outcome.replace("nothing was checked", "no")


def test_the_error_that_was_spent_is_told():
    told = story(verdict("fairness", [check()], budget=Budget(attempt=2, confidence=0.95, level=0.9924)))
    assert "this was number 2" in told.budget
    assert "error is 5 %; on this one it spent 0.76 percentage points" in told.budget
    assert "hold together at 99.24 %" in told.budget
    assert story(verdict("fairness", [check()])).budget == ""


def test_a_person_s_answer_has_no_odds():
    told = story(verdict("approval", [check("approval", FAIL, interval=None, reason="refused by ann")]))
    assert (told.means, told.next, told.budget) == ("", "", "")
    assert told.decided[0][1] == "refused by ann"


@pytest.mark.parametrize(
    ("name", "metric", "said"),
    [
        ("tpr_difference", "tpr", "True positive rate difference by sex (F against M)"),
        ("auc_vs_champion", "auc", "AUC vs champion by sex (F against M)"),
        ("fpr_ratio[high_risk]", "fpr[high_risk]", "False positive rate ratio for high_risk by sex (F against M)"),
        ("worst_slice", "auc", "Worst slice by sex (F against M)"),
    ],
)
def test_a_check_is_named_in_full(name, metric, said):
    assert phrase(check(name, metric=metric)) == said


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**6), min_size=1))
def test_groups_add_up_to_the_rows(sizes):
    groups = [group(n, sex=name) for name, n in sizes.items()]
    assert rows(verdict("fairness", [], groups)) == sum(sizes.values())


def test_what_a_mitigation_cost_and_gained_is_in_the_summary():
    paid = check("accuracy_paid", UNSURE, severity="info", attribute=None, reason="0.01 is paid")
    proven = check("tpr_difference_gained", PASS, severity="info", reason="a gain of 0.1; not measured, few: x. More")
    lost = check("fpr_difference_gained", FAIL, severity="info", reason="a loss of 0.1")
    unsure = [check(f"{name}_gained", UNSURE, severity="info", reason="no matter") for name in "ab"]
    told = story(verdict("fairness", [check(outcome=PASS), *unsure, proven, lost, paid]))
    assert told.mitigated[:3] == ["0.01 is paid", "a gain of 0.1", "a loss of 0.1"]
    assert told.mitigated[3].startswith("In 2 comparisons by group neither gain nor loss is proven")
    assert story(verdict("fairness", [check()])).mitigated == []
