"""Each candidate is counted once on each snapshot, whoever asks and how often; nobody takes one back."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import DatabaseError

from assay.rollout import Attempts
from assay.rollout.tables import ATTEMPT


@pytest.fixture
def attempts(rollouts):
    return Attempts(rollouts.engine)


def counted(attempts, candidate, *, gate="fairness", snapshot="s-1", model="income"):
    return attempts.number(model=model, gate=gate, snapshot=snapshot, candidate=candidate)


def test_the_same_candidate_has_the_same_number_whenever_it_comes_again(attempts):
    assert [counted(attempts, each) for each in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]


def test_every_model_gate_and_snapshot_is_counted_by_itself(attempts):
    assert counted(attempts, "a") == counted(attempts, "b", gate="performance") == 1
    assert counted(attempts, "b", snapshot="s-2") == counted(attempts, "b", model="churn") == 1
    assert counted(attempts, "b") == 2


def test_those_who_come_at_once_have_each_a_number_of_their_own(attempts):
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: counted(attempts, f"c{n % 10}"), range(40)))
    assert sorted(set(numbers)) == list(range(1, 11))
    assert numbers[:10] == numbers[10:20] == numbers[30:]


def test_an_attempt_cannot_be_taken_back(attempts):
    counted(attempts, "a")
    with pytest.raises(DatabaseError, match=r"append-only|permission denied"), attempts.engine.begin() as connection:
        connection.execute(delete(ATTEMPT))
    assert counted(attempts, "b") == 2
