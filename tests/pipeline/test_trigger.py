"""The wait for a rollout's evidence: it wakes the task when there is something to do, and costs little."""

import asyncio
import time
from dataclasses import replace

import pytest
from tests.rollout.support import LIMITS, ref

from assay.core import Settings, UnavailableError
from assay.evidence import opening
from assay.pipeline import trigger
from assay.pipeline.trigger import RolloutTrigger

KEY = "retrain_income/manual__1"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The rollouts that the trigger sees; it looks a hundred times a second."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    monkeypatch.delenv("ASSAY_OPERATIONS_DB", raising=False)
    monkeypatch.setattr(trigger, "_POLL", 0.01)
    opened = opening.rollouts(Settings.from_environment())
    yield opened
    opened.engine.dispose()


async def woken(*, after=lambda: None, patience=5.0):
    """The trigger's event; `after` happens once it has been waiting for a while."""
    waiting = asyncio.ensure_future(anext(RolloutTrigger(KEY).run()))
    await asyncio.sleep(0.2)
    assert after is None or not waiting.done()
    (after or (lambda: None))()
    return await asyncio.wait_for(waiting, patience)


def test_it_sleeps_while_there_is_nothing_to_decide_and_wakes_when_the_rollout_has_ended(book):
    row = book.begin(ref=ref(1), run_key=KEY, policy=LIMITS)
    event = asyncio.run(woken(after=lambda: book.roll_back(row.id, row.epoch, reason="by hand")))
    assert event.payload == {"run_key": KEY}


def test_it_wakes_the_task_at_the_deadline_and_leaves_the_move_to_it(book):
    row = replace(book, clock=lambda: "2020-01-01T00:00:00.000Z").begin(ref=ref(1), run_key=KEY, policy=LIMITS)
    assert asyncio.run(woken(after=None)).payload == {"run_key": KEY}
    assert book.get(row.id).active


def test_it_wakes_the_task_of_a_run_that_began_no_rollout(book):
    assert book.find(KEY) is None
    assert asyncio.run(woken(after=None)).payload == {"run_key": KEY}


def test_a_database_that_is_down_is_waited_for(book, monkeypatch):
    def down(*_):
        raise UnavailableError("the operations database is down")

    with monkeypatch.context() as patched:
        patched.setattr(type(book), "find", down)
        asyncio.run(woken(after=patched.undo))


def test_a_look_that_takes_long_is_followed_by_a_long_rest(book, monkeypatch):
    book.begin(ref=ref(1), run_key=KEY, policy=LIMITS)
    looks = []

    def slow(_settings):
        looks.append(time.monotonic())
        time.sleep(0.05)
        return book

    monkeypatch.setattr(opening, "rollouts", slow)
    with pytest.raises(TimeoutError):
        asyncio.run(woken(patience=0.7))
    assert len(looks) == 1


def test_airflow_can_make_it_again_from_what_it_stores():
    path, arguments = RolloutTrigger(KEY).serialize()
    assert path == "assay.pipeline.trigger.RolloutTrigger"
    assert RolloutTrigger(**arguments).serialize() == (path, arguments)
