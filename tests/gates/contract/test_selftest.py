"""Faults planted in Adult: a draft fails on each at its strongest, and good samples are not blocked."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.core import UnavailableError, settings
from assay.data.draft.contract import suggest_of
from assay.gates.contract import selftest
from assay.gates.contract.builtin import Roles
from assay.gates.contract.faults import BY_NAME, FAULTS, Fault, Target
from assay.gates.contract.trial import Case, Subject, Trial, halves
from assay.policy import load_folder
from assay.policy.contract import Contract

INCOME = settings.PACKAGE.parent / "models" / "income"
TARGET = Target(
    key="person_id", label="income", positive=">50K", time="recorded", number="age", other_number="hours_per_week",
    category="occupation", other_category="relationship", group="race",
)  # fmt: skip
STRONG = 2
ROWS = 10_000
BUILT_IN = {
    "lost positives": "label_shift",
    "leaked label": "label_leakage",
    "repeated rows": "split_overlap",
    "stale data": "freshness",
    "e-mail addresses": "pii",
    "null burst in a number": "shift",
    "broken quote": "refused",
}


@pytest.fixture(scope="module")
def subject():
    policy = load_folder(INCOME).policy
    roles = replace(Roles.of(policy.data), time="recorded")
    frame = pd.read_parquet(INCOME / "data" / "adult.parquet").sample(ROWS, random_state=0)
    return Subject(
        frame=frame, roles=roles, target=TARGET, draft=suggest_of, policy=Contract(), fairness=policy.gates.fairness
    )


@pytest.fixture(scope="module")
def trial(subject, tmp_path_factory):
    return Trial(subject, str(tmp_path_factory.mktemp("trial")), 3, built_in=False)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_draft_fails_on_each_fault_at_its_strongest(trial, fault: Fault):
    """The draft is of the one half of the rows, the fault in the other one."""
    assert trial.judged(Case(fault=fault.name, level=STRONG, draw=0)).drafted


def test_a_draft_does_not_block_good_samples(trial):
    assert [trial.judged(Case(fault=None, level=0, draw=draw)).by for draw in range(8)] == [()] * 8


def test_the_built_in_checks_find_what_they_are_for_and_block_no_good_sample(subject, tmp_path):
    trial = Trial(subject, str(tmp_path), 3)
    found = {name: trial.judged(Case(fault=name, level=STRONG, draw=0)).built_in for name in BUILT_IN}
    assert [name for name, check in BUILT_IN.items() if check not in found[name]] == []
    assert [trial.judged(Case(fault=None, level=0, draw=draw)).built_in for draw in range(3)] == [()] * 3


def test_the_work_is_shared_and_told_of_and_comes_to_the_same(subject):
    options = {"draws": 1, "clean": 1, "seed": 5, "faults": [BY_NAME["unit change"], BY_NAME["lost rows"]]}
    told = []
    alone = selftest.run(subject, strengths=[0, 2], report=told.append, **options)
    assert told[0].startswith("1 of 5 samples judged, about ")
    assert told[-1] == "5 of 5 samples judged, about 0 s left"
    assert [(row.found, row.drafted) for row in alone.rows] == [((1, 1), (1, 1)), ((0, 1), (0, 1))]
    assert (alone.blocked, alone.clean) == (0, 1)
    assert selftest.run(subject, strengths=[0, 2], workers=2, **options) == alone


def test_a_process_that_is_ended_is_said(subject, monkeypatch):
    class Ended:
        def __init__(self, *_):
            pass

        def map(self, *_):
            raise BrokenProcessPool("gone")

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(selftest, "ProcessPoolExecutor", Ended)
    with pytest.raises(UnavailableError, match="ended from outside, perhaps for want of memory: gone"):
        selftest.run(subject, draws=0, clean=1, seed=0, workers=2)


def test_the_table_has_a_line_for_each_kind():
    row = selftest.Row(
        fault=BY_NAME["unit change"],
        draws=4,
        found=(0, 2, 4),
        drafted=(0, 1, 3),
        by={"shift": 5, "pii": 6, "volume": 1},
    )
    result = selftest.SelfTest(rows=[row], clean=200, blocked=1, blocked_by={"volume": 1})
    head, line = selftest.table(result)
    assert len(head) == len(line)
    assert line == ("unit change", "0 % (0 %) at 0.05", "50 % (25 %) at 0.2", "100 % (75 %) at 0.6", "pii, shift")
    assert selftest.summary(result) == (
        "1 of 200 good samples blocked (volume); 1 of 1 kinds of damage always found at their strongest, "
        "0 by the drafted contract alone"
    )


def test_there_are_thirty_kinds_or_more_at_three_strengths():
    assert len(BY_NAME) == len(FAULTS) >= 30
    for fault in FAULTS:
        assert list(fault.strengths) == sorted(set(fault.strengths))
        assert (fault.damage is None) != (fault.spoil is None)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_damage_changes_the_data_and_a_seed_repeats_it(subject, fault: Fault, tmp_path):
    frame, _ = halves(subject, np.random.default_rng(0))
    frame = frame.head(2000).copy()
    results = []
    for _ in range(2):
        if fault.damage is not None:
            copy = frame.copy()
            damaged = fault.damage(copy, fault.strengths[1], np.random.default_rng(1), TARGET)
            results.append(copy if damaged is None else damaged)
            assert not results[-1].equals(frame)
        else:
            path = tmp_path / f"rows{fault.suffix}"
            (frame.to_csv if fault.suffix == ".csv" else frame.to_parquet)(path, index=False)
            before = path.read_bytes()
            fault.spoil(path, fault.strengths[1])
            assert path.read_bytes() != before
            results.append(pd.DataFrame({"bytes": [path.read_bytes()]}))
    assert results[0].equals(results[1])
