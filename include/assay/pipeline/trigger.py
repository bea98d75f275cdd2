"""Waits for a rollout's evidence in the triggerer, where it holds no worker slot."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_POLL = 2.0  # seconds between two looks at the evidence
_REST = 20  # times as long as a look took: looks at the long log of a busy model must not wear the database down


class RolloutTrigger(BaseTrigger):
    """Fires when a rollout can move. What it says is only a wake-up: the task judges again itself.

    Parameters
    ----------
    run_key
        Names the run whose rollout is awaited.
    """

    def __init__(self, run_key: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's base class has no annotations
        self.run_key = run_key

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where to find this class again, and with what."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"run_key": self.run_key}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the evidence until it decides something; a database that is down is waited for."""
        from assay.core import Settings, UnavailableError
        from assay.evidence.opening import rollouts
        from assay.rollout.judge import Decision

        shown, spent = "", 0.0
        settings = Settings.from_environment()
        while True:
            # First of all wait: an event that comes before the executor has reported the task's leaving
            # finds it back in the queue, and the scheduler takes that report for a crash.
            await asyncio.sleep(max(_POLL, _REST * spent))
            begun = time.monotonic()
            try:
                book = await asyncio.to_thread(rollouts, settings)
                row = await asyncio.to_thread(book.find, self.run_key)
                if row is None or not row.active:
                    break
                assessment = await asyncio.to_thread(book.assess, row.id)
                if assessment.decision is not Decision.WAIT:
                    break
                progress = f"{assessment.stage}: {assessment.reason}"
            except UnavailableError as error:
                progress = str(error)
            spent = time.monotonic() - begun
            if progress != shown:
                self.log.info("%s", progress)
                shown = progress
        yield TriggerEvent({"run_key": self.run_key})  # type: ignore[no-untyped-call]
