"""What a later model gains in fairness and pays in accuracy, on the same rows."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tests.gates.fairness_support import check, people, policy

from assay.core import Outcome
from assay.gates.fairness import FairnessEvidence, judge, measure
from assay.gates.fairness.members import PAIRS, PairedCounts
from assay.stats.intervals import normal_quantile

ALL = (
    check("tpr", max=0.1),
    check("selection_rate", compare="ratio", min=0.8),
    check("tpr", compare="level", min=0.3),
    check("fpr", compare="level", max=0.5),
)


def rows(n=4000, seed=0):
    """Decisions before that favour one group, and after that favour it less."""
    random = np.random.default_rng(seed)
    sex = random.choice(["F", "M"], n)
    label = random.random(n) < 0.4
    before = random.random(n) < np.where(sex == "M", 0.3, 0.1) + 0.4 * label
    after = before | ((sex == "F") & (random.random(n) < 0.2))
    return {"label": label, "groups": {"sex": sex}}, before, after


def paired(part, before, after, base, **more):
    return judge(measure(**base, prediction=after, before=before, policy=part), part, **more)


def by_name(judgement):
    return {found.name: found for found in judgement.checks}


def gaps(decided, base):
    """The policy's four comparisons, long hand, written so that more is worse."""
    sides = [base["groups"]["sex"] == sex for sex in ("F", "M")]
    label = base["label"]
    rates = {
        "tpr": [decided[side & label].mean() for side in sides],
        "fpr": [decided[side & ~label].mean() for side in sides],
        "selection": [decided[side].mean() for side in sides],
    }
    return np.array(
        [
            np.ptp(rates["tpr"]),
            -min(rates["selection"]) / max(rates["selection"]),
            -min(rates["tpr"]),
            max(rates["fpr"]),
            (decided != label).mean(),
        ]
    )


NAMES = [
    "tpr_difference_gained",
    "selection_rate_ratio_gained",
    "tpr_level_gained",
    "fpr_level_gained",
    "accuracy_paid",
]


def test_gains_are_the_gap_before_less_the_gap_after():
    base, before, after = rows()
    found = by_name(paired(policy(*ALL), before, after, base))
    fell = gaps(before, base) - gaps(after, base)
    assert [found[name].estimate for name in NAMES] == pytest.approx([*fell[:4], -fell[4]])
    assert found["tpr_difference_gained"].outcome is Outcome.PASS
    assert found["fpr_level_gained"].outcome is Outcome.INCONCLUSIVE  # the men's is the highest before and after
    assert all(found[name].severity == "info" for name in NAMES)
    assert found["tpr_difference_gained"].reason.endswith("; a gain is proven")
    assert len(found) == 9


def test_the_other_way_round_a_gain_is_a_loss():
    base, before, after = rows()
    there, back = (by_name(paired(policy(*ALL), *each, base)) for each in ((before, after), (after, before)))
    for name in NAMES:
        low, high = there[name].interval
        assert back[name].estimate == pytest.approx(-there[name].estimate)
        assert back[name].interval == pytest.approx((-high, -low), abs=0.01)
    assert back["tpr_difference_gained"].outcome is Outcome.FAIL
    assert "a loss is proven" in back["tpr_difference_gained"].reason


def test_the_same_decisions_gain_nothing_and_prove_nothing():
    """Nor do they prove that two models never differ: the interval is narrow, not empty."""
    base, before, _ = rows()
    found = by_name(paired(policy(*ALL), before, before, base))
    for name in NAMES:
        low, high = found[name].interval
        assert found[name].estimate == 0
        assert -0.02 < low < 0 < high < 0.02
    assert {found[name].outcome for name in NAMES[:4]} == {Outcome.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("times", "outcome"), [(3, Outcome.PASS), (0.3, Outcome.FAIL), (1, Outcome.INCONCLUSIVE), (None, Outcome.PASS)]
)
def test_accuracy_paid_decides_when_there_is_a_limit(times, outcome):
    base, before, after = rows()
    loss = (before == base["label"]).mean() - (after == base["label"]).mean()
    limit = None if times is None else times * loss
    judgement = paired(policy(check("tpr", max=0.9)), before, after, base, max_accuracy_loss=limit)
    paid = by_name(judgement)["accuracy_paid"]
    assert paid.estimate == pytest.approx(loss)
    assert (paid.outcome, paid.severity) == (outcome, "info" if limit is None else "critical")
    assert judgement.outcome is outcome
    assert (paid.limit and paid.limit.max) == limit


def test_a_limit_on_what_was_never_measured_does_not_pass():
    base, _, after = rows()
    part = policy(check("tpr", max=0.9))
    judgement = judge(measure(**base, prediction=after, policy=part), part, max_accuracy_loss=0.1)
    assert by_name(judgement)["accuracy_paid"].outcome is Outcome.INCONCLUSIVE
    assert judgement.outcome is Outcome.INCONCLUSIVE


def test_gains_take_their_part_of_the_error():
    base, before, after = rows()
    part = policy(*ALL)
    alone = judge(measure(**base, prediction=after, policy=part), part).checks
    beside = paired(part, before, after, base).checks
    assert np.diff(beside[0].interval) > np.diff(alone[0].interval)


def test_intervals_agree_with_a_bootstrap_of_the_rows():
    base, before, after = rows(2500)
    random, drawn = np.random.default_rng(1), []
    for _ in range(400):
        at = random.integers(0, len(before), len(before))
        again = {"label": base["label"][at], "groups": {"sex": base["groups"]["sex"][at]}}
        drawn.append(gaps(before[at], again) - gaps(after[at], again))
    errors = np.std(drawn, axis=0)
    pairs = measure(**base, prediction=after, before=before, policy=policy(*ALL)).pairs
    widths = {}
    for check_ in ALL:
        found = by_name(judge(FairnessEvidence(attributes={}, pairs=pairs), policy(check_)))
        widths |= {name: np.diff(each.interval)[0] / 2 for name, each in found.items()}
    for name, error in zip(NAMES, errors, strict=True):
        # half of the error is each one's; between one interval's width and that of all four pairs of gaps
        assert 0.9 * normal_quantile(0.975) < widths[name] / error < 1.1 * normal_quantile(1 - 0.025 / 4), name


def test_simulated_coverage(capsys):
    """Seeded: three groups, of which others are extreme after than before; all gains hold together."""
    random, runs = np.random.default_rng(8), 100
    part = policy(*ALL[:2], ALL[2], confidence=0.9, min_group_size=1)
    cells = np.array(
        [
            [0.20, 0.02, 0.04, 0.14, 0.10, 0.02, 0.05, 0.43],
            [0.28, 0.03, 0.01, 0.08, 0.15, 0.06, 0.01, 0.38],
            [0.24, 0.01, 0.02, 0.13, 0.12, 0.03, 0.03, 0.42],
        ]
    )
    truth = by_name(judge(FairnessEvidence(attributes={}, pairs={"sex": many(cells * 1e7)}), part))
    held = 0
    for _ in range(runs):
        table = np.array([random.multinomial(n, each) for n, each in zip((300, 500, 800), cells, strict=True)])
        found = by_name(judge(FairnessEvidence(attributes={}, pairs={"sex": many(table)}), part))
        held += all(each.interval[0] <= truth[name].estimate <= each.interval[1] for name, each in found.items())
    with capsys.disabled():
        print(f"\ngains and accuracy paid, {runs} samples at 90 %: all hold in {held / runs:.3f}")
    assert binom.cdf(held, runs, 0.9) > 1e-3


def many(table):
    return [PairedCounts(group={"sex": str(i)}, rows=tuple(map(round, row))) for i, row in enumerate(table.tolist())]


def test_both_models_counts_are_those_that_each_alone_would_have():
    base, before, after = rows(500)
    weights = np.random.default_rng(3).gamma(2, size=500)
    part = policy(check("tpr"))
    both = measure(**base, prediction=after, before=before, weights=weights, policy=part)
    first, second = (measure(**base, prediction=each, weights=weights, policy=part) for each in (before, after))
    assert both.attributes == second.attributes
    for model, one in enumerate((first, second)):
        for pair, group in zip(both.pairs["sex"], one.attributes["sex"], strict=True):
            ours = pair.by(model)
            assert dataclasses.replace(ours, weights=None) == dataclasses.replace(group, weights=None)
            assert np.array(ours.weights) == pytest.approx(np.array(group.weights))


def test_weights_that_are_all_alike_change_nothing():
    base, before, after = rows()
    part = policy(*ALL)
    plain, weighed = (
        judge(measure(**base, prediction=after, before=before, weights=w, policy=part), part)
        for w in (None, np.full(4000, 3.0))
    )
    for one, other in zip(plain.checks, weighed.checks, strict=True):
        assert one.interval == pytest.approx(other.interval)


def test_a_group_that_is_too_small_is_told():
    base, before, after = rows(300)
    base["groups"]["sex"][:5] = "X"
    found = by_name(paired(policy(check("tpr", max=0.5), min_group_size=50), before, after, base))
    gained = found["tpr_difference_gained"]
    assert gained.outcome is Outcome.INCONCLUSIVE
    assert "not measured, fewer than 50 rows: sex=X (5 rows)" in gained.reason


def test_against_a_reference_only_its_gaps_count():
    base, before, after = rows()
    base["groups"]["sex"][::7] = "X"
    plain, against = (
        by_name(paired(policy(check("tpr", max=0.1), **more), before, after, base))["tpr_difference_gained"]
        for more in ({}, {"reference": {"sex": "X"}})
    )
    assert against.estimate < plain.estimate
    lost = by_name(paired(policy(check("tpr", max=0.1), reference={"sex": "Q"}), before, after, base))
    assert lost["tpr_difference_gained"].interval is None
    assert lost["tpr_difference_gained"].outcome is Outcome.INCONCLUSIVE


def test_scores_and_strata_are_not_compared_in_pairs():
    sample = people(800)
    part = policy(check("auc", max=0.5), check("tpr", max=0.5, within="race"), check("tpr", max=0.5))
    judgement = judge(measure(**sample, before=~sample["prediction"], policy=part), part)
    assert [name for name in by_name(judgement) if name.endswith("_gained")] == ["tpr_difference_gained"]


cells = st.lists(st.lists(st.integers(0, 60), min_size=8, max_size=8), min_size=2, max_size=4)


@settings(max_examples=30)
@given(cells)
def test_the_estimate_lies_in_its_interval(table):
    pairs = [PairedCounts(group={"sex": str(i)}, rows=tuple(row)) for i, row in enumerate(table)]
    part = policy(*ALL, min_group_size=1)
    for found in judge(FairnessEvidence(attributes={}, pairs={"sex": pairs}), part).checks:
        if found.interval is not None:
            assert found.interval[0] - 1e-12 <= found.estimate <= found.interval[1] + 1e-12
        else:
            assert found.outcome is Outcome.INCONCLUSIVE


def test_pairs_are_of_the_same_label():
    assert all({"tp", "fn"} >= set(pair) or {"fp", "tn"} >= set(pair) for pair in PAIRS)
