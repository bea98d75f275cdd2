"""What the operations database holds, as values."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.core import AssayError, problem
from assay.policy import Rollout as Limits

State = Literal["shadow", "canary", "champion", "rolled_back"]
Stage = Literal["none", "shadow", "canary", "champion"]

ACTIVE: tuple[State, ...] = ("shadow", "canary")


class StaleEpochError(AssayError):
    """Somebody else moved the deployment first: read it again before deciding anything."""

    def __init__(self, model: str, expected: int, found: int | None) -> None:
        self.model, self.expected, self.found = model, expected, found
        now = "is gone" if found is None else f"is at epoch {found}"
        super().__init__(f"{model}: expected epoch {expected}, but the deployment {now}; read it again")


class IllegalMoveError(AssayError):
    """The rollout's state does not allow the move that was asked for."""


@contextmanager
def as_written(row: str) -> Iterator[None]:
    """Turn what goes wrong while a row is read, which other hands may have changed, into one error that names it."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AssayError(
            f"{row}: the operations database holds what Assay did not write there ({reason}); restore it from a backup"
        ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRef:
    """A registered version, as the gateway needs to know it.

    Attributes
    ----------
    model, version
        Name and number in the registry.
    digest
        SHA-256 of the ONNX file's bytes.
    path
        The ONNX file below the registry's artifact root, e.g. ``0/models/m-abc/artifacts/model.onnx``.
    entity_column
        The column that says whom a row is about; the traffic is split by it.
    """

    model: str
    version: int
    digest: str
    path: str
    entity_column: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.digest):  # it names a file in the gateway's cache
            raise problem("digest", f"{self.digest!r} is not a SHA-256 in lower-case hexadecimal digits")

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "ModelRef":
        """Read back what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """What serves a model now.

    Attributes
    ----------
    epoch
        Counts every move of this model; a move names the epoch it was decided on.
    stage
        ``shadow`` or ``canary`` while a rollout runs, else ``champion``, or ``none`` without one.
    share
        Percent of entities that the canary serves.
    champion, canary
        The versions; None where there is none.
    rollout_id
        The running rollout; None when none runs.
    """

    model: str
    epoch: int
    stage: Stage
    share: int
    champion: ModelRef | None
    canary: ModelRef | None
    rollout_id: int | None
    updated_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutRow:
    """One version on its way.

    Attributes
    ----------
    run_key
        Names the run that began it; beginning again with the same key finds this row.
    state
        ``shadow`` and ``canary`` are running, ``champion`` and ``rolled_back`` are ends.
    stage
        -1 in shadow, else the index into ``policy.stages``.
    first_epoch, epoch
        The deployment's epochs at this rollout's first and latest move.
    champion
        The version it is compared with, fixed when it began; None for a first version.
    canary
        The version on its way.
    reason
        Why it was rolled back; empty otherwise.
    """

    id: int
    model: str
    version: int
    run_key: str
    state: State
    stage: int
    first_epoch: int
    epoch: int
    champion: ModelRef | None
    canary: ModelRef
    policy: Limits
    reason: str
    started_at: str
    stage_started_at: str
    deadline: str

    @property
    def active(self) -> bool:
        """Whether it is still running."""
        return self.state in ACTIVE

    @property
    def share(self) -> int:
        """Percent of entities that this stage gives to the canary."""
        return 0 if self.stage < 0 else self.policy.stages[self.stage]

    @property
    def last_stage(self) -> bool:
        """Whether the next good step is the promotion."""
        return self.stage == len(self.policy.stages) - 1

    @property
    def stage_name(self) -> str:
        """The stage in words: ``shadow``, ``canary 25 %``, ``champion`` or ``rolled_back``."""
        return f"canary {self.share} %" if self.state == "canary" else self.state


def share_of(stage_name: str) -> int:
    """Percent of entities that a stage, as `RolloutRow.stage_name` says it, gives to the canary."""
    found = re.fullmatch(r"canary (\d+) %", stage_name)
    return int(found[1]) if found else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One move of a deployment, as it was recorded.

    Attributes
    ----------
    epoch
        The deployment's epoch after the move.
    action
        ``begin``, ``advance``, ``promote`` or ``roll_back``.
    evidence
        The assessment that the move was made on, or the reason given; of a ``begin`` the version and
        what it was begun on.
    """

    id: int
    op_key: str
    model: str
    rollout_id: int
    epoch: int
    action: str
    from_stage: str
    to_stage: str
    run_key: str
    evidence: Mapping[str, Any]
    at: str
