"""Judging is pure, never promotes on nothing, and is wrong as seldom as it promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from tests.rollout.support import ref

from assay.core import Outcome
from assay.policy import Rollout as Limits
from assay.rollout import Decision, RolloutEvidence, RolloutRow, judge

NOW = "2030-01-01T00:00:00.000Z"
ROW = RolloutRow(
    id=1, model="income", version=2, run_key="run", state="canary", stage=0, first_epoch=1, epoch=3,
    champion=ref(1), canary=ref(2), policy=Limits(max_brier=0.2, min_labels=50, alpha=0.2), reason="",
    started_at=NOW, stage_started_at=NOW, deadline="2030-01-02T00:00:00.000Z",
)  # fmt: skip


def evidence(losses, *, errors=(), labels=50, served=1):
    return RolloutEvidence(
        losses=np.asarray(losses, dtype=float),
        errors=np.asarray(errors, dtype=float),
        stage_labels=labels,
        stage_served=served,
    )


def decided(losses, row=ROW, now=NOW, **kwargs):
    return judge(row, evidence(losses, **kwargs), now=now).decision


GOOD = [0.0] * 600


def test_proven_non_inferiority_advances_and_from_the_last_stage_promotes():
    assert decided(GOOD) is Decision.ADVANCE
    assert decided(GOOD, row=replace(ROW, stage=3)) is Decision.PROMOTE


@pytest.mark.parametrize("lacking", [{"labels": 49}, {"served": 0}])
def test_every_stage_needs_labels_of_its_own_and_one_served_row(lacking):
    assert decided(GOOD, **lacking) is Decision.WAIT


def test_in_shadow_and_without_a_champion_no_row_need_be_served():
    assert decided(GOOD, served=0, row=replace(ROW, state="shadow", stage=-1)) is Decision.ADVANCE
    assert decided([0.05] * 600, served=0, row=replace(ROW, champion=None)) is Decision.ADVANCE


def test_no_data_waits_until_time_runs_out():
    empty = evidence([], labels=0, served=0)
    assessment = judge(ROW, empty, now=NOW)
    assert assessment.decision is Decision.WAIT
    assert {check.outcome for check in assessment.checks} == {Outcome.INCONCLUSIVE}
    assert judge(ROW, empty, now=ROW.deadline).decision is Decision.ROLLBACK


def test_a_first_version_is_held_to_its_own_limit():
    first = replace(ROW, champion=None)
    assert decided([0.1] * 600, row=first) is Decision.ADVANCE
    assert decided([0.3] * 600, row=first) is Decision.ROLLBACK
    assert decided([0.2] * 600, row=first) is Decision.WAIT


def test_errors_roll_back_however_good_the_scores():
    assert decided(GOOD, errors=[1.0, 0.0] * 50) is Decision.ROLLBACK
    assert decided(GOOD, errors=[0.0] * 400) is Decision.ADVANCE


def test_a_canary_that_turned_bad_is_rolled_back_though_it_was_good_before():
    assert decided([0.0] * 600 + [0.5] * 2000) is Decision.ROLLBACK


@given(st.lists(st.floats(-1, 1), max_size=80), st.integers(0, 100), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_nothing_moves_up_but_on_a_whole_interval_within_the_limit(losses, labels, served):
    assessment = judge(ROW, evidence(losses, labels=labels, served=served), now=NOW)
    if assessment.decision in (Decision.ADVANCE, Decision.PROMOTE):
        interval = assessment.checks[0].interval
        assert interval is not None
        assert interval[1] <= ROW.policy.margin
        assert labels >= ROW.policy.min_labels
        assert served


def looks(rng, mean):
    """Every decision on a canary with this mean excess, looked at every 100 labels."""
    losses = np.where(rng.random(1_500) < 0.5, mean - 0.1, mean + 0.1)
    return {decided(losses[:n], labels=n) for n in range(150, 1_501, 150)}


def test_a_canary_at_the_margin_is_seldom_promoted_however_often_one_looks():
    rng = np.random.default_rng(7)
    runs = 150
    promoted = sum(Decision.ADVANCE in looks(rng, ROW.policy.margin) for _ in range(runs))
    promised = ROW.policy.alpha / 4
    assert binomtest(promoted, runs, promised, alternative="greater").pvalue > 1e-3


def test_an_equal_canary_is_nearly_always_promoted_and_a_bad_one_rolled_back():
    rng = np.random.default_rng(8)
    assert sum(Decision.ADVANCE in looks(rng, 0.0) for _ in range(30)) >= 27
    assert sum(Decision.ROLLBACK in looks(rng, 0.05) for _ in range(30)) >= 27
