"""What long work logs: that it begins, a line now and then however often it reports, and how long it took."""

import logging

import pytest

from assay.pipeline import telling as module
from assay.pipeline.telling import counted, telling


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_ten_seconds(caplog, clock):
    caplog.set_level(logging.INFO)
    with telling("the gate") as report:
        for second in range(1, 26):
            clock[0] = float(second)
            report(f"query {second}")
    assert caplog.messages == [
        "the gate begins", "the gate, 10 s: query 10", "the gate, 20 s: query 20", "the gate ended after 25.0 s",
    ]  # fmt: skip


def test_what_breaks_is_told_to_have_ended(caplog, clock):
    caplog.set_level(logging.INFO)
    with pytest.raises(ValueError, match="broke"), telling("the gate"):
        raise ValueError("broke")
    assert caplog.messages[-1] == "the gate ended after 0.0 s"


def test_work_on_data_is_counted():
    said = []
    tell = counted(said.append)
    tell("reading", 1000, 5000)
    tell("hashing", 1000, None)
    assert said == ["reading: 1,000 of 5,000", "hashing: 1,000"]
