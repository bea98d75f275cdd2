"""Whether the gateway can do its work: what a load balancer or a container's health check asks."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from assay.core import AssayError, Settings, utc_now
from assay.registry.artifacts import SignedFile, check_signed
from assay.registry.keys import Keyring
from assay.rollout.database import writing
from assay.rollout.tables import HEARTBEAT
from assay.serving.fleet import Fleet
from assay.serving.writer import LogWriter

log = logging.getLogger(__name__)

_SECONDS_KEPT = 1.0
_PATIENCE = 3.0  # seconds; a database that is locked may take longer to say so than who asks will wait
_OLDEST_LOOK = 30.0  # seconds since the deployments were read


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the gateway needs.

    Attributes
    ----------
    name
        ``log``, ``keys``, ``deployments`` or ``champions``.
    reason
        Why it is not well, told to anybody who asks: no addresses, no names; empty when it is well.
    detail
        The same for the log, with all that is known.
    """

    name: str
    reason: str = ""
    detail: str = ""


class Readiness:
    """Looks at what the gateway needs, once a second at most however many ask.

    Parameters
    ----------
    engine, settings
        The operations database, and where the public keys are.
    fleet, writer
        What is live, and the log.
    """

    def __init__(self, engine: Engine, settings: Settings, fleet: Fleet, writer: LogWriter) -> None:
        self._engine, self._settings, self._fleet, self._writer = engine, settings, fleet, writer
        self._looking: asyncio.Task[Sequence[Check]] | None = None
        self._found: Sequence[Check] = ()
        self._kept_until = 0.0
        self._good: set[tuple[str, object]] = set()
        self._said: dict[str, str] = {}

    async def checks(self) -> Sequence[Check]:
        """Every check, in the order in which one needs the other."""
        if time.monotonic() < self._kept_until:
            return self._found
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._look))
        try:
            self._found = await asyncio.wait_for(asyncio.shield(self._looking), _PATIENCE)
        except TimeoutError:
            self._found = (Check("log", "the operations database did not answer in time"),)
        self._kept_until = time.monotonic() + _SECONDS_KEPT
        for check in self._found:
            self._say(check)
        return self._found

    def _look(self) -> Sequence[Check]:
        parts: dict[str, Callable[[], Check]] = {
            "log": self._log, "keys": self._keys, "deployments": self._deployments, "champions": self._champions,
        }  # fmt: skip
        found = []
        for name, look in parts.items():
            try:
                found.append(look())
            except Exception as error:  # a look that fails in an unforeseen way has not found that all is well
                found.append(Check(name, "could not be checked", repr(error)))
        return found

    def _log(self) -> Check:
        try:
            beat(self._engine)
        except AssayError as error:
            return Check("log", "decisions cannot be recorded", str(error))
        if problem := self._writer.problem:
            return Check("log", "decisions could not be recorded just now", problem)
        return Check("log")

    def _keys(self) -> Check:
        try:
            Keyring.open(self._settings.keys)
        except AssayError as error:
            return Check("keys", "the public keys cannot be read", str(error))
        return Check("keys")

    def _deployments(self) -> Check:
        trouble = self._fleet.trouble
        if not trouble and time.monotonic() - self._fleet.looked_at > _OLDEST_LOOK:
            trouble = f"they were not read for {_OLDEST_LOOK:.0f} seconds"
        return Check("deployments", "the deployments cannot be read" if trouble else "", trouble)

    def _champions(self) -> Check:
        wrong = {live.model: reason for live in self._fleet.live.values() if (reason := self._wrong(live.model))}
        if not wrong:
            return Check("champions")
        reason = f"{len(wrong)} of {len(self._fleet.live)} models lack their champion; GET /models says why"
        return Check("champions", reason, "; ".join(f"{model}: {why}" for model, why in wrong.items()))

    def _wrong(self, model: str) -> str:
        """Why a model's champion may not serve; a model whose first version is still on trial has none."""
        live = self._fleet.live[model]
        if live.lost:
            return live.lost
        version = live.champion
        if version is None:
            return ""
        # A signature is checked when a model is loaded; again only when the keys have changed, as it takes a while.
        known = (version.ref.digest, _state(self._settings.keys))
        if known not in self._good:
            try:
                signed = SignedFile(version.model.content, version.signature)
                check_signed(self._settings, signed, version.ref.path, version.ref.digest)
            except AssayError as error:
                return str(error)
            self._good = {each for each in self._good if each[1] == known[1]} | {known}
        return ""

    def _say(self, check: Check) -> None:
        """Log a problem when it appears or changes, not at every look."""
        problem = check.detail or check.reason
        if problem and self._said.get(check.name) != problem:
            log.error("not ready: %s: %s", check.name, problem)
        elif not problem and self._said.get(check.name):
            log.info("%s: is well again", check.name)
        self._said[check.name] = problem


def beat(engine: Engine) -> None:
    """Write to the log's database and commit, as a decision would.

    Raises
    ------
    UnavailableError
        When that fails.
    """
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    row = dialect.insert(HEARTBEAT).values(process="gateway", at=utc_now())
    with writing(engine) as connection:
        connection.execute(row.on_conflict_do_update(index_elements=["process"], set_={"at": row.excluded.at}))


def _state(keys: Path) -> object:
    """Changes whenever the public keys do."""
    try:
        found = (keys / "trusted.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
