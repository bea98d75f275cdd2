"""What a backtest finds: past verdicts beside those that another policy would have given."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assay.core import Outcome, Verdict, canonical_json, worst
from assay.evidence.compare import address

UNKNOWN: Literal["UNKNOWN"] = "UNKNOWN"
Would = Outcome | Literal["UNKNOWN"]
Source = Literal["stored", "replayed", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GateBacktest:
    """One gate of one past run under the new policy.

    Attributes
    ----------
    was
        The recorded outcome; None where the gate had not judged.
    would
        The outcome under the new policy; ``UNKNOWN`` where it cannot be told, which is never a pass.
    source
        Whether the numbers are those in the dossier, were measured again, or are not to be had.
    lets_through
        Whether the run would go on: also an INCONCLUSIVE that the new policy sends to a person does, and
        what the waivers of the time cover. None where it cannot be told.
    reason
        Why it is unknown; else empty.
    deciding
        The check that decides and every check whose outcome changes, in words.
    """

    gate: str
    was: Outcome | None
    would: Would
    source: Source
    lets_through: bool | None
    reason: str
    deciding: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunBacktest:
    """One past run under the new policy.

    Attributes
    ----------
    dossier, run_key
        The MLflow run that holds its records, and the orchestrator's run.
    at
        When it began, UTC.
    version
        What it registered; None when it was stopped before.
    gates
        In the order in which a run passes them.
    """

    dossier: str
    run_key: str
    at: str
    version: int | None
    gates: tuple[GateBacktest, ...]

    @property
    def was(self) -> Outcome | None:
        """The worst of what the gates said; None where that is not to be had."""
        said = [gate.was for gate in self.gates if gate.was is not None]
        return worst(said) if said else None

    @property
    def was_let_through(self) -> bool | None:
        """Whether the run came to a version; None where no gate is known to have stopped it either."""
        if self.version is not None:
            return True
        return None if self.was in (None, Outcome.PASS) else False

    @property
    def would_be_let_through(self) -> bool | None:
        """Whether every gate would let it through; None where one cannot tell and none stops it."""
        each = [gate.lets_through for gate in self.gates]
        return False if False in each else None if None in each else True

    @property
    def would(self) -> Would:
        """The worst of what they would say. A FAIL stands whatever else is unknown."""
        known = [gate.would for gate in self.gates if isinstance(gate.would, Outcome)]
        if Outcome.FAIL not in known and len(known) < len(self.gates):
            return UNKNOWN
        return worst(known)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtest:
    """Every past run of a model under a new policy, oldest first.

    Attributes
    ----------
    policy_sha256
        Of the new policy.
    notes
        What the new policy changes that no past model can show.
    """

    model: str
    policy_sha256: str
    runs: tuple[RunBacktest, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        found: dict[str, Any] = json.loads(canonical_json(asdict(self)))
        for raw, run in zip(found["runs"], self.runs, strict=True):
            raw |= {"was": run.was, "would": run.would}
            raw |= {"was_let_through": run.was_let_through, "would_be_let_through": run.would_be_let_through}
        return found


def unknown(gate: str, verdict: Verdict | None, reason: str) -> GateBacktest:
    """A gate of which it cannot be told what it would say."""
    return GateBacktest(
        gate=gate,
        was=None if verdict is None else verdict.outcome,
        would=UNKNOWN,
        source="unknown",
        lets_through=None,
        reason=reason,
        deciding=(),
    )


def told(verdict: Verdict | None, would: Verdict, source: Source, *, lets_through: bool) -> GateBacktest:
    """A gate that said `verdict`, if anything, and would say `would`, with what decides that."""
    return GateBacktest(
        gate=would.gate,
        was=None if verdict is None else verdict.outcome,
        would=would.outcome,
        source=source,
        lets_through=lets_through,
        reason="",
        deciding=tuple([] if verdict is None else _changes(verdict, would)) or _worst(would),
    )


def _changes(verdict: Verdict, would: Verdict) -> Iterator[str]:
    before = {address(verdict.gate, check): check.outcome for check in verdict.checks}
    after = {address(would.gate, check): check for check in would.checks}
    for where, check in after.items():
        if before.get(where) is not check.outcome:
            yield f"{where}: {before.get(where, 'not asked')} -> {check.outcome}: {check.reason}"
    yield from (f"{where}: {outcome} -> no longer asked" for where, outcome in before.items() if where not in after)


def _worst(would: Verdict) -> tuple[str, ...]:
    check = would.worst_check
    return () if check is None else (f"{address(would.gate, check)}: {check.outcome}: {check.reason}",)
