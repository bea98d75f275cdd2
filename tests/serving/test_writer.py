"""The log writer when it is full, when it fails, and when it is told to stop."""

import asyncio

import pytest

from assay.rollout import Request
from assay.serving.refusal import RefusalError
from assay.serving.writer import LogWriter


def request(name):
    return Request(
        model="income", request_id=name, body_sha256="b", status=200, answer="{}", epoch=1, at="", predictions=()
    )


async def outcome(waiting):
    try:
        return (await waiting).answer
    except RefusalError as error:
        return error.status, error.retry_after


def test_beyond_its_capacity_it_says_no_at_once_and_stopping_writes_what_waits(stand):
    async def crowd():
        writer = LogWriter(stand.engine, capacity=3)
        waiting = [asyncio.ensure_future(outcome(writer.record(request(f"r{n}")))) for n in range(5)]
        await asyncio.sleep(0.05)
        refused = [each.done() for each in waiting]
        writer.start()
        await asyncio.to_thread(writer.stop)
        return refused, await asyncio.gather(*waiting)

    refused, outcomes = asyncio.run(crowd())
    assert refused == [False] * 3 + [True] * 2
    assert outcomes == ["{}"] * 3 + [(503, 1)] * 2


def test_whatever_fails_is_told_to_those_who_wait_and_does_not_end_the_writer(stand, caplog):
    async def two():
        writer = LogWriter(None)  # type: ignore[arg-type]
        writer.start()
        outcomes = [await outcome(writer.record(request(name))) for name in ("a", "b")]
        await asyncio.to_thread(writer.stop)
        return outcomes

    assert asyncio.run(two()) == [(503, 1)] * 2
    assert "could not be written" in caplog.text


def test_a_client_that_went_away_harms_nobody(stand):
    async def leave():
        writer = LogWriter(stand.engine)
        gone = asyncio.ensure_future(writer.record(request("gone")))
        await asyncio.sleep(0.05)
        gone.cancel()
        writer.start()
        stayed = await writer.record(request("stayed"))
        await asyncio.to_thread(writer.stop)
        with pytest.raises(asyncio.CancelledError):
            await gone
        return stayed.answer

    assert asyncio.run(leave()) == "{}"
