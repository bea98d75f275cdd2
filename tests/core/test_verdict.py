"""A verdict reads back as it was written, and hangs in the chain by its digest."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import (
    Budget,
    Check,
    GroupMetrics,
    Judgement,
    Limit,
    Measured,
    Outcome,
    Problem,
    Stopwatch,
    Subject,
    UserError,
    Verdict,
    bind,
    canonical_json,
    did_you_mean,
)
from assay.core.text import verdict_text

finite = st.floats(-1e15, 1e15)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
group = st.dictionaries(words, words, max_size=2)
pairs = st.tuples(finite, finite)
limits = st.builds(Limit, min=finite, max=st.none() | finite) | st.builds(Limit, max=finite)
checks = st.builds(
    Check,
    name=words,
    outcome=st.sampled_from(Outcome),
    reason=words,
    metric=st.none() | words,
    compare=st.none() | words,
    attribute=st.none() | words,
    groups=st.none() | st.lists(group, max_size=2).map(tuple),
    estimate=st.none() | finite,
    interval=st.none() | pairs,
    confidence=st.none() | finite,
    limit=st.none() | limits,
    support=st.none() | st.integers(0, 10**9),
    severity=st.sampled_from(["critical", "warning", "info"]),
    examples=st.none() | st.lists(st.dictionaries(words, st.none() | words, max_size=2), max_size=2).map(tuple),
)
measured = st.builds(Measured, estimate=st.none() | finite, interval=st.none() | pairs, support=st.integers(0, 10**9))
measured_groups = st.builds(
    GroupMetrics, group=group, n=st.integers(0, 99), metrics=st.dictionaries(words, measured, max_size=2)
)
verdicts = st.builds(
    Verdict,
    gate=words,
    outcome=st.sampled_from(Outcome),
    attempt=st.integers(1, 9),
    model=st.none() | words,
    policy_sha256=st.none() | words,
    snapshot=st.none() | words,
    code_version=words,
    started_at=words,
    seconds=finite,
    previous=st.none() | words,
    checks=st.lists(checks, max_size=3).map(tuple),
    groups=st.lists(
        st.builds(
            GroupMetrics, group=group, n=st.integers(0, 99), metrics=st.dictionaries(words, measured, max_size=2)
        ),
        max_size=2,
    ).map(tuple),
)


@given(verdicts)
def test_a_verdict_survives_json(verdict):
    again = Verdict.from_dict(json.loads(canonical_json(verdict.to_dict())))
    assert again == verdict
    assert again.digest == verdict.digest


@given(verdicts)
def test_the_digest_covers_what_was_judged(verdict):
    assert replace(verdict, code_version=verdict.code_version + "x").digest != verdict.digest
    assert verdict.numbered(attempt=verdict.attempt, previous="p" * 64).digest != verdict.digest


@given(verdicts, st.integers(60, 200))
def test_the_text_shows_every_check_and_keeps_its_width(verdict, width):
    checks = [replace(c, name=f"check{i}", reason="word " * 30) for i, c in enumerate(verdict.checks)]
    lines = verdict_text(replace(verdict, gate="g", checks=checks), width=width).splitlines()
    assert f"g gate: {verdict.outcome}" in lines[0]
    for check in checks:
        assert sum(check.name in line for line in lines) == 1
    assert "\n".join(lines).count("word") == 30 * len(checks)


def test_an_open_side_of_a_limit_is_left_out():
    check = Check(name="a", outcome=Outcome.PASS, reason="", limit=Limit(max=0.1))
    verdict = bind("g", Judgement(outcome=Outcome.PASS, checks=[check]), SUBJECT, Stopwatch())
    assert verdict.to_dict()["checks"][0]["limit"] == {"max": 0.1}


SUBJECT = Subject(model=None, policy_sha256=None, snapshot=None, code_version="c")


def test_worst_first_and_long_reasons_wrapped():
    checks = [
        Check(name="good", outcome=Outcome.PASS, reason="fine", estimate=0.5, interval=(0.4, 0.6), confidence=0.9,
              limit=Limit(min=0.1, max=0.9), support=12345),
        Check(name="doubt", outcome=Outcome.INCONCLUSIVE, reason="only ten rows " * 6, attribute="sex*race"),
        Check(name="hint", outcome=Outcome.FAIL, reason="first\nsecond", severity="warning"),
    ]  # fmt: skip
    verdict = bind("g", Judgement(outcome=Outcome.INCONCLUSIVE, checks=checks), SUBJECT, Stopwatch())
    assert verdict_text(replace(verdict, seconds=1.5), width=116) == (
        "g gate: INCONCLUSIVE (attempt 1, 1.5 s)\n"
        "outcome         check           estimate [low, high]  limit           n       reason\n"
        "INCONCLUSIVE    doubt sex*race  -                     -               -       "
        "only ten rows only ten rows only ten\n"
        f"{'':78}rows only ten rows only ten rows only\n"
        f"{'':78}ten rows\n"
        "FAIL (warning)  hint            -                     -               -       first second\n"
        "PASS            good            0.5 [0.4, 0.6]        <= 0.9, >= 0.1  12,345  fine\n"
        "Intervals of one gate hold together with 90 % confidence."
    )


@pytest.mark.parametrize("width", [60, 80, 200])
def test_names_that_leave_no_room_for_reasons_stand_above_them(width):
    checks = [
        Check(name="expect_column_values_to_be_in_set", attribute="a_column_of_a_very_long_name" * 5, estimate=0.5,
              limit=Limit(max=0.0), support=12345, outcome=Outcome.FAIL, reason="rows that are named " * 9),
        Check(name="expect_column_to_exist", attribute="b", outcome=Outcome.PASS, support=7, reason="as expected"),
    ]  # fmt: skip
    verdict = bind("g", Judgement(outcome=Outcome.FAIL, checks=checks), SUBJECT, Stopwatch())
    lines = verdict_text(verdict, width=width).splitlines()
    assert max(map(len, lines)) <= min(width, 120)
    assert lines[1].startswith("FAIL  expect_column_values_to_be_in_set")
    assert "      0.5, limit <= 0, n 12,345" in lines
    assert lines[-2:] == ["PASS  expect_column_to_exist b", "      n 7: as expected"]


def test_what_an_attempt_spent_of_the_budget_stands_in_the_verdict_and_its_text():
    budget = Budget(attempt=2, confidence=0.95, level=0.99240)
    check = Check(name="good", outcome=Outcome.PASS, reason="", confidence=0.95)
    verdict = bind("g", Judgement(outcome=Outcome.PASS, checks=[check], budget=budget), SUBJECT, Stopwatch())
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    assert replace(verdict, budget=replace(budget, attempt=3)).digest != verdict.digest
    assert verdict_text(verdict, width=150).endswith(
        "with 95 % confidence over all attempts on these data; this is attempt 2, judged at 99.24 %."
    )
    assert "budget" not in replace(verdict, budget=None).to_dict()  # as it was before there were budgets


def test_a_verdict_without_checks_says_so():
    verdict = bind("g", Judgement(outcome=Outcome.INCONCLUSIVE, checks=[]), SUBJECT, Stopwatch())
    assert verdict_text(verdict).splitlines()[1] == "nothing was checked"
    assert verdict.worst_check is None


def test_errors_carry_every_problem():
    one = UserError("p.yaml", [Problem(path="a", message="is missing")])
    assert str(one) == "p.yaml: a: is missing"
    two = UserError("p.yaml", [*one.problems, Problem(path="b", message="is odd", mend="make it even")])
    assert str(two) == "p.yaml: 2 problems\n  a: is missing\n  b: is odd (make it even)"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [("agee", ["age", "sex"], 'did you mean "age"?'), ("zzz", ["b", "a"], "known: a, b"), ("x", [], "none is known")],
)
def test_hints(name, known, hint):
    assert did_you_mean(name, known) == hint


def test_a_hint_does_not_list_thousands():
    hint = did_you_mean("zzz", [f"c{at:04}" for at in range(10_000)])
    assert hint.startswith("known: c0000, c0001, ")
    assert hint.endswith("c0049, and 9,950 more")


@given(verdicts)
def test_names_and_values_do_not_steer_a_terminal(verdict):
    odd = Check(name="a\x1b[2J", attribute="b\x07\u202e", outcome=Outcome.FAIL, reason="c\x9b1A\nPASS  d\x08")
    text = verdict_text(replace(verdict, gate="g", checks=[odd]))
    assert "a\\x1b[2J b\\x07\\u202e" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.startswith("PASS") for line in text.splitlines())


@given(verdicts)
def test_examples_are_absent_where_there_are_none(verdict):
    for check, written in zip(verdict.checks, verdict.to_dict()["checks"], strict=True):
        assert ("examples" in written) == (check.examples is not None)


def test_a_reason_that_begins_with_a_number_keeps_it():
    check = Check(name="c", outcome=Outcome.PASS, reason="0 of 3 rows unexpected", estimate=0.0)
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="c")
    verdict = bind("g", Judgement(outcome=Outcome.PASS, checks=[check]), subject, Stopwatch())
    assert "0 of 3 rows unexpected" in verdict_text(verdict)
