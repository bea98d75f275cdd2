"""Events and anchors: plain JSON out and in, and a digest that every part of them moves."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import Anchor, Check, Event, Judgement, Outcome, Stopwatch, Subject, bind, record_from_dict

FACTS = st.dictionaries(
    st.text(),
    st.recursive(st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53), st.lists, max_leaves=5),
)
EVENT = Event(
    event="alias", operation="alias:champion:1", by="retrain/1", at="2026-01-01T00:00:00.000Z", facts={"a": 1}
)
ANCHOR = Anchor(
    seq=3, dossier="d" * 32, model="toy", number=2, kind="alias", operation="alias:champion:1", digest="e" * 64,
    at="2026-01-01T00:00:00.000Z", chain="",
)  # fmt: skip


@given(facts=FACTS)
def test_an_event_is_read_back_as_it_was_written(facts):
    event = replace(EVENT, facts=facts)
    assert record_from_dict(event.to_dict()) == event
    assert record_from_dict(event.to_dict()).digest == event.digest


def test_a_verdict_is_told_from_an_event():
    judgement = Judgement(outcome=Outcome.PASS, checks=[Check(name="a", outcome=Outcome.PASS, reason="b")])
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="c")
    verdict = bind("performance", judgement, subject, Stopwatch())
    assert record_from_dict(verdict.to_dict()) == verdict
    assert (verdict.kind, EVENT.kind) == ("performance", "alias")


@pytest.mark.parametrize("raw", [{}, {"event": "alias"}, {"gate": "x"}, {**EVENT.to_dict(), "more": 1}])
def test_what_is_neither_is_refused(raw):
    with pytest.raises((KeyError, TypeError)):
        record_from_dict(raw)


@pytest.mark.parametrize(
    "change", [{"event": "x"}, {"operation": "x"}, {"by": "x"}, {"at": "x"}, {"facts": {}}, {"previous": "x"}]
)
def test_every_part_of_an_event_moves_its_digest(change):
    assert replace(EVENT, **change).digest != EVENT.digest


def test_an_event_at_its_place_names_the_record_before_it():
    assert EVENT.after("f" * 64).previous == "f" * 64
    assert EVENT.previous is None


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 4}, {"dossier": "x"}, {"model": "x"}, {"number": 3}, {"kind": "x"}, {"operation": None},
        {"digest": "x"}, {"at": "x"},
    ],
)  # fmt: skip
def test_every_part_of_an_anchor_moves_the_chain(change):
    assert replace(ANCHOR, **change).chained("p") != ANCHOR.chained("p")


def test_an_anchor_chains_to_the_one_before_it_and_not_to_what_it_says_of_itself():
    assert ANCHOR.chained("p") != ANCHOR.chained("q") != ANCHOR.chained(None)
    assert replace(ANCHOR, chain="whatever").chained("p") == ANCHOR.chained("p")


@pytest.mark.parametrize(("named", "code"), [("here", -signal.SIGKILL), ("elsewhere", 0), ("", 0)])
def test_a_fault_point_kills_the_process_that_was_told_to_die_there(named, code):
    program = "from assay.core import fault_point; fault_point('here')"
    environment = {**os.environ, "ASSAY_FAULT_POINT": named}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == code
