"""What a backtest finds: past verdicts beside those that another policy would have given."""

import json
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
    reason
        Why it is unknown; else empty.
    deciding
        The check that decides and every check whose outcome changes, in words.
    """

    gate: str
    was: Outcome | None
    would: Would
    source: Source
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
    def was(self) -> Outcome:
        """The worst of what the gates said."""
        return worst(gate.was for gate in self.gates if gate.was is not None)

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
        return found


def unknown(gate: str, verdict: Verdict | None, reason: str) -> GateBacktest:
    """A gate of which it cannot be told what it would say."""
    was = None if verdict is None else verdict.outcome
    return GateBacktest(gate=gate, was=was, would=UNKNOWN, source="unknown", reason=reason, deciding=())


def told(gate: str, verdict: Verdict | None, would: Verdict, source: Source) -> GateBacktest:
    """A gate that would say `would`, and what decides that."""
    before = {} if verdict is None else {address(gate, check): check.outcome for check in verdict.checks}
    after = {address(gate, check): check for check in would.checks}
    deciding = [
        f"{where}: {before.get(where, 'not asked')} -> {check.outcome}: {check.reason}"
        for where, check in after.items()
        if before.get(where) is not check.outcome and verdict is not None
    ]
    deciding += [f"{where}: {outcome} -> no longer asked" for where, outcome in before.items() if where not in after]
    worst_check = would.worst_check
    if not deciding and worst_check is not None:
        deciding = [f"{address(gate, worst_check)}: {worst_check.outcome}: {worst_check.reason}"]
    was = None if verdict is None else verdict.outcome
    return GateBacktest(gate=gate, was=was, would=would.outcome, source=source, reason="", deciding=tuple(deciding))
