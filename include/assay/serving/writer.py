"""Write the log in groups: many requests share one commit, and each waits for its own."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from assay.core import AssayError
from assay.rollout import Recorded, Request, record
from assay.serving.refusal import RefusalError

log = logging.getLogger(__name__)

_REQUESTS_PER_COMMIT = 256
_ROWS_PER_COMMIT = 20_000
_RETRY_SECONDS = 1
_SECONDS_REMEMBERED = 10.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: Request
    recorded: "asyncio.Future[Recorded]"
    loop: asyncio.AbstractEventLoop


class LogWriter:
    """One thread that records requests; what arrives during a commit goes into the next one.

    Parameters
    ----------
    engine
        The operations database.
    capacity
        How many requests may wait; beyond that the gateway says no rather than fall ever further behind.
    """

    def __init__(self, engine: Engine, *, capacity: int = 2_000) -> None:
        self._engine = engine
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="assay-log", daemon=True)
        self._problem, self._failed_at = "", 0.0

    @property
    def problem(self) -> str:
        """Why the last commit failed; empty when it did not, or when that is a while ago."""
        return self._problem if time.monotonic() - self._failed_at < _SECONDS_REMEMBERED else ""

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    async def record(self, request: Request) -> Recorded:
        """Record a request; return when it is on the disk.

        Raises
        ------
        RefusalError
            503 when the log cannot be written or too many wait: without a record there is no answer.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.create_future(), loop)
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            raise RefusalError(503, "too many requests wait for the log", retry_after=_RETRY_SECONDS) from None
        return await waiting.recorded

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._take()
            if batch:
                self._write(batch)

    def _take(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        rows = 0
        while len(batch) < _REQUESTS_PER_COMMIT and rows < _ROWS_PER_COMMIT:
            try:
                waiting = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if waiting is None:
                return batch, True
            batch.append(waiting)
            rows += len(waiting.request.predictions)
        return batch, False

    def _write(self, batch: Sequence[_Waiting]) -> None:
        recorded: Sequence[Recorded | None] = [None] * len(batch)
        try:
            recorded = record(self._engine, [waiting.request for waiting in batch])
        except AssayError as error:
            self._fail(str(error))
        except (
            Exception
        ) as error:  # whatever it is, those who wait must hear of it, and the next batch must have its try
            if len(batch) > 1:  # one request that the database chokes on must not take the others with it
                for waiting in batch:
                    self._write([waiting])
                return
            log.exception("the log could not be written")
            self._fail(f"{type(error).__name__}: {error}", said=True)
        else:
            self._problem = ""
        for loop in {waiting.loop for waiting in batch}:
            mine = [pair for pair in zip(batch, recorded, strict=True) if pair[0].loop is loop]
            loop.call_soon_threadsafe(_settle, mine)

    def _fail(self, problem: str, *, said: bool = False) -> None:
        """Remember a problem, and log it when it appears or changes, not with every commit."""
        if not said and problem != self.problem:
            log.error("%s", problem)
        self._problem, self._failed_at = problem, time.monotonic()


def _settle(results: Sequence[tuple[_Waiting, Recorded | None]]) -> None:
    for waiting, recorded in results:
        if waiting.recorded.done():  # the client went away
            continue
        if recorded is None:
            error = RefusalError(
                503, "the decision could not be recorded, so none was made", retry_after=_RETRY_SECONDS
            )
            waiting.recorded.set_exception(error)
        else:
            waiting.recorded.set_result(recorded)
