"""The performance gate's part of a policy: what contradicts itself is named, and what it needs is known."""

import pytest
from tests.policy.test_loader import GOOD, message

from assay.policy import Performance, parse_policy

CHECKS = "performance: {checks: [{metric: auc, min: 0.8}]"


def performance(text):
    return GOOD.replace(CHECKS, f"{CHECKS}, {text}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slices: [sex]", "gates.performance: slices and floors belong together: give floors"),
        ("floors: [{metric: auc, min: 0.5}]", "slices and floors belong together: give slices"),
        ("slices: [sex], floors: [{metric: auc, min: 0.5, max: 0.9}]", "floors.0: the worst slice has a floor or"),
        ("slices: [sex, sex], floors: [{metric: auc, min: 0.5}]", "slices named twice: sex"),
        ('slices: [sex, "a*b"], floors: [{metric: auc, min: 0.5}]', "cannot be in the name of one: a*b"),
        ("slices: [age], edges: {age: [3, 2]}, floors: [{metric: auc, min: 0.5}]", "edges of age must rise: 3, 2"),
        ("slices: [sex], edges: {age: [3]}, floors: [{metric: auc, min: 0.5}]", "that no slice is made of: age"),
        ("slices: [town], floors: [{metric: auc, min: 0.5}]", "makes slices of columns that data does not have: town"),
        ("weak_slices: {max_excess: 1, columns: [town]}", "makes slices of columns that data does not have: town"),
        ("weak_slices: {max_excess: 0}", "gates.performance.weak_slices.max_excess: must be greater than 0, got 0"),
        ("weak_slices: {max_excess: 1, metric: auc}", "must be 'log_loss', 'brier' or 'accuracy', got 'auc'"),
        ("cost: {currency: USD, tp: 0, fp: 1, fn: 1, tn: 0}", "gates.performance.cost: give max, margin or both"),
        ("cost: {currency: USD, tp: 1, fp: 1, fn: 1, tn: 1, max: 2}", "every decision costs the same"),
        ("cost: {currency: USD, tp: 1, fp: 1, max: 2}", "gates.performance.cost.fn: is missing"),
        ("latency: [{rows: 1}]", "gates.performance.latency.0: give p50_ms, p99_ms or both"),
        ("latency: [{rows: 1, p50_ms: 1}, {rows: 1, p99_ms: 1}]", "latency names twice: 1 rows"),
        ("latency: [{row: 1, p50_ms: 1}]", 'latency.0.row: unknown key (did you mean "rows"?)'),
        (
            "slices: [sex], floors: [{metric: auc, min: 0.5}, {metric: auc, max: 0.4}]",
            "gates.performance: floors on auc contradict each other: at least 0.5 and at most 0.4",
        ),
        (
            "slices: [sex], floors: [{metric: brier, max: -1}]",
            "floors.0: max must be between 0 and 1, as brier is, got -1",
        ),
        ("size_mb: -1", "gates.performance.size_mb: must be greater than 0, got -1"),
        ("champion: [{metric: acc, margin: 0.1}]", 'champion.0.metric: unknown metric "acc"'),
    ],
)
def test_each_contradiction_is_named(text, expected):
    assert CHECKS in GOOD
    assert expected in message(performance(text))


def test_a_limit_that_no_model_could_meet_or_miss_is_refused():
    out_of_reach = GOOD.replace(CHECKS, "performance: {checks: [{metric: auc, min: 5}]")
    assert "checks.0: min must be between 0 and 1, as auc is, got 5" in message(out_of_reach)


def test_checks_of_one_metric_must_leave_room():
    part = "performance: {checks: [{metric: auc, min: 0.8}, {metric: auc, max: 0.7}]"
    assert "checks on auc contradict each other: at least 0.8 and at most 0.7" in message(GOOD.replace(CHECKS, part))


def test_columns_of_data_make_slices():
    text = "slices: [age, [age, sex]], edges: {age: [30]}, floors: [{metric: auc, min: 0.5}]"
    part = parse_policy(performance(text).encode(), "policy.yaml").gates.performance
    assert part.attributes == [("age",), ("age", "sex")]
    assert part.columns == part.slice_columns == ["age", "sex"]


@pytest.mark.parametrize(
    ("more", "decides", "compares", "compares_decisions", "timed"),
    [
        ({}, False, False, False, False),
        ({"checks": [{"metric": "f1", "min": 0}]}, True, False, False, False),
        ({"champion": [{"metric": "auc", "margin": 1}]}, False, True, False, False),
        ({"champion": [{"metric": "recall", "margin": 1}]}, True, True, True, False),
        ({"cost": {"currency": "X", "tp": 0, "fp": 1, "fn": 1, "tn": 0, "max": 1}}, True, False, False, False),
        ({"cost": {"currency": "X", "tp": 0, "fp": 1, "fn": 1, "tn": 0, "margin": 1}}, True, True, True, False),
        ({"slices": ["a"], "floors": [{"metric": "accuracy", "min": 0}]}, True, False, False, False),
        ({"weak_slices": {"max_excess": 1, "metric": "accuracy"}}, True, False, False, False),
        ({"weak_slices": {"max_excess": 1}}, False, False, False, False),
        ({"latency": [{"rows": 1, "p50_ms": 1}]}, False, False, False, True),
        ({"size_mb": 1}, False, False, False, True),
    ],
)
def test_what_a_policy_needs(more, decides, compares, compares_decisions, timed):
    part = Performance.model_validate({"checks": [{"metric": "auc", "min": 0.5}], **more})
    assert (part.decides, part.compares, part.compares_decisions, part.timed) == (
        decides,
        compares,
        compares_decisions,
        timed,
    )
