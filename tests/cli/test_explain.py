"""How an explanation looks on a terminal."""

import pytest

from assay.cli.explain import _block, explanation_lines
from assay.evidence.explain.counterfactual import Change, Counterfactual
from assay.evidence.explain.local import Contribution, LocalExplanation


def explanation(**changes):
    given = {
        "model": "a" * 64, "snapshot": "toy-1", "score": 0.2, "threshold": 0.5, "decision": "no", "base": 0.4,
        "background": 1000,
        "contributions": [
            Contribution(feature="hours", value=20.0, amount=-0.3, error=0.001),
            Contribution(feature="job", value="a very long name of a very long job", amount=0.1, error=0.002),
            Contribution(feature="age", value=None, amount=0.0, error=0.0),
        ],
        "counterfactuals": [
            Counterfactual(changes=[Change(feature="hours", was=20.0, becomes=45.0)], score=0.61, distance=0.1)
        ],
        "notes": [],
    }  # fmt: skip
    return LocalExplanation(**{**given, **changes})


def test_bars_go_left_for_less_and_right_for_more_in_proportion():
    lines = list(explanation_lines(explanation()))
    hours, job, age = (next(line for line in lines if line.startswith(name)) for name in ("hours", "job", "age"))
    assert hours.endswith(" " + "#" * 16 + "|")
    assert job.endswith("|" + "#" * 5)
    assert age.endswith("0.0000  " + " " * 16 + "|")
    assert len({line.index("|") for line in (hours, job, age)}) == 1
    assert "(none)" in age
    assert "a very long name of a..." in job


def test_a_counterfactual_says_what_changes_into_what():
    text = "\n".join(explanation_lines(explanation()))
    assert "decides no: the score 0.2000 is below the threshold 0.5" in text
    assert "mean score of 1,000 training rows 0.4000, contributions -0.2000" in text
    assert "  1. hours 20 -> 45 (score 0.6100, distance 0.1)" in text


def test_without_counterfactuals_the_reason_stands_there():
    reason = "no counterfactuals: the policy's data.mutable names no column that may change"
    text = "\n".join(explanation_lines(explanation(counterfactuals=[], notes=[reason])))
    assert "otherwise" not in text
    assert reason in text


@pytest.mark.parametrize(
    ("encoding", "block"), [("utf-8", "\N{FULL BLOCK}"), ("ascii", "#"), (None, "#"), ("odd", "#")]
)
def test_a_terminal_gets_only_what_it_can_show(encoding, block):
    assert _block(encoding) == block


def test_line_breaks_in_a_value_do_not_break_the_table():
    contribution = Contribution(feature="job", value="a\nb", amount=0.1, error=0.0)
    lines = list(explanation_lines(explanation(contributions=[contribution])))
    assert any("a b" in line for line in lines)
    assert all("\n" not in line for line in lines)
