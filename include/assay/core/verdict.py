"""Checks and verdicts: the one form in which every gate answers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from assay.core.budget import Budget
from assay.core.canonical import sha256_json
from assay.core.clock import Stopwatch
from assay.core.distribution import Distribution
from assay.core.limit import Limit
from assay.core.outcome import Outcome, worst

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
Group = Mapping[str, str]
Example = Mapping[str, str | None]

TIMED = "timed"
"""How a check compares that read a clock: measured again, on whatever machine, its numbers are others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One judged quantity. A field that does not apply is None.

    Attributes
    ----------
    name
        Stable name of the check, unique with `attribute` within its gate.
    metric, compare
        What was measured and how groups or models were compared (`level`, `difference`, `ratio`, `excess`
        over all other rows, or `timed`, see `TIMED`).
    attribute
        The column, or columns joined by ``*``, that the check is about.
    groups
        The groups that the estimate came from, each as column to value.
    estimate, interval, confidence
        Point estimate, its two-sided interval and that interval's level in (0, 1).
    limit
        What was allowed.
    support
        Number of rows behind the estimate; the smallest side of a comparison.
    severity
        Only `critical` checks decide the gate.
    outcome, reason
        What it came to, and why in words.
    examples
        Rows that it is about, each as column to value with the row's key first; a bounded number,
        and None where there are none to show.
    """

    name: str
    outcome: Outcome
    reason: str
    metric: str | None = None
    compare: str | None = None
    attribute: str | None = None
    groups: Sequence[Group] | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    confidence: float | None = None
    limit: Limit | None = None
    support: int | None = None
    severity: Severity = "critical"
    examples: Sequence[Example] | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Check":
        """Read back a check from plain JSON values."""
        return cls(
            **{
                **raw,
                "outcome": Outcome(raw["outcome"]),
                "limit": None if raw["limit"] is None else Limit(**raw["limit"]),
                "groups": None if raw["groups"] is None else tuple(raw["groups"]),
                "interval": _pair(raw["interval"]),
                "examples": None if raw.get("examples") is None else tuple(raw["examples"]),
            }
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A metric of one group: estimate and interval are None where the group cannot have one."""

    estimate: float | None
    interval: tuple[float, float] | None
    support: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupMetrics:
    """Every metric measured for one group of `n` rows."""

    group: Group
    n: int
    metrics: Mapping[str, Measured]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A gate's answer, bound by digest to what it judged and to the record before it.

    Attributes
    ----------
    gate
        Which gate answered.
    outcome
        The worst outcome of its critical checks.
    attempt
        1 for the first time this gate judged in this dossier, then counting up.
    model
        SHA-256 of the served model's bytes; None before training and for plain files.
    policy_sha256
        SHA-256 of the policy file; None when no policy was given.
    snapshot
        Identity of the data: a snapshot id, or ``sha256:`` and the digest of a plain file.
    code_version
        Digest of the code that measured.
    started_at
        UTC time, ISO 8601.
    seconds
        How long measuring and judging took.
    previous
        Digest of the record before this one in the dossier; None for the first.
    budget
        What it spent of the gate's error over all attempts on the same snapshot; None for a gate
        that has no such error, and where attempts are not counted.
    distributions
        Of columns that its checks are about; only the contract gate has any.
    """

    gate: str
    outcome: Outcome
    attempt: int
    model: str | None
    policy_sha256: str | None
    snapshot: str | None
    code_version: str
    started_at: str
    seconds: float
    previous: str | None
    checks: Sequence[Check]
    groups: Sequence[GroupMetrics] = field(default_factory=tuple)
    budget: Budget | None = None
    distributions: Sequence[Distribution] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        data: dict[str, Any] = _plain(asdict(self))
        if self.budget is None:  # absent, not null: verdicts from before there were budgets keep their digests
            del data["budget"]
        if not self.distributions:  # likewise
            del data["distributions"]
        for check, raw in zip(self.checks, data["checks"], strict=True):
            if check.examples is None:
                del raw["examples"]
        for raw in (*data["checks"], *data.get("distributions", ())):
            if raw["limit"] is not None:  # an open side is absent, not null
                raw["limit"] = {side: bound for side, bound in raw["limit"].items() if bound is not None}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Verdict":
        """Read back what `to_dict` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            When `data` does not have the form of a verdict.
        """
        checks = tuple(Check.from_dict(raw) for raw in data["checks"])
        groups = tuple(
            GroupMetrics(
                group=raw["group"],
                n=raw["n"],
                metrics={
                    name: Measured(estimate=m["estimate"], interval=_pair(m["interval"]), support=m["support"])
                    for name, m in raw["metrics"].items()
                },
            )
            for raw in data["groups"]
        )
        budget = Budget(**data["budget"]) if "budget" in data else None
        read = {
            "outcome": Outcome(data["outcome"]),
            "checks": checks,
            "groups": groups,
            "budget": budget,
            "distributions": tuple(map(Distribution.from_dict, data.get("distributions", ()))),
        }
        return cls(**{**data, **read})

    @property
    def digest(self) -> str:
        """SHA-256 of the verdict's canonical JSON: what the next record names as `previous`."""
        return sha256_json(self.to_dict())

    @property
    def kind(self) -> str:
        """What the record is called in the dossier."""
        return self.gate

    def numbered(self, *, attempt: int, previous: str | None) -> "Verdict":
        """The same verdict at its place in a dossier."""
        return replace(self, attempt=attempt, previous=previous)

    @property
    def passed(self) -> int:
        """How many of its checks pass."""
        return sum(check.outcome is Outcome.PASS for check in self.checks)

    @property
    def worst_check(self) -> Check | None:
        """The check that a reader should see first."""
        return min(self.checks, key=worst_first, default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What a gate's `judge` returns: pure, and not yet bound to what was judged."""

    outcome: Outcome
    checks: Sequence[Check]
    groups: Sequence[GroupMetrics] = field(default_factory=tuple)
    budget: Budget | None = None
    distributions: Sequence[Distribution] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The digests that a verdict is about; see `Verdict` for each."""

    model: str | None
    policy_sha256: str | None
    snapshot: str | None
    code_version: str


def bind(gate: str, judgement: Judgement, subject: Subject, watch: Stopwatch) -> Verdict:
    """Make a verdict, the first of its dossier, from a judgement and what it was about."""
    return Verdict(
        gate=gate,
        outcome=judgement.outcome,
        attempt=1,
        model=subject.model,
        policy_sha256=subject.policy_sha256,
        snapshot=subject.snapshot,
        code_version=subject.code_version,
        started_at=watch.started_at,
        seconds=watch.seconds,
        previous=None,
        checks=tuple(judgement.checks),
        groups=tuple(judgement.groups),
        budget=judgement.budget,
        distributions=tuple(judgement.distributions),
    )


def decide(checks: Sequence[Check]) -> Outcome:
    """A gate's outcome: the worst of its critical checks, INCONCLUSIVE when it has none."""
    return worst(check.outcome for check in checks if check.severity == "critical")


def worst_first(check: Check) -> tuple[bool, int, int, float]:
    """Sorts checks into the order in which a reader should see them.

    What does not pass comes before what does, what decides before what does not, a worse outcome
    before a better one, and among equals what lies furthest beyond its limit, or nearest to it.
    """
    return check.outcome is Outcome.PASS, SEVERITIES.index(check.severity), -check.outcome.rank, _room(check)


def _room(check: Check) -> float:
    """How far a check's interval, or without one its estimate, stays inside the limit, as a share of the limit.

    Infinite without a limit or a number: but what fails without them, an absent column say, is
    furthest beyond all limits.
    """
    if check.estimate is None and check.interval is None and check.outcome is Outcome.FAIL:
        return -math.inf
    if check.limit is None or (check.interval is None and check.estimate is None):
        return math.inf
    low, high = check.interval or (check.estimate or 0.0, check.estimate or 0.0)
    sides = [(check.limit.min, low, 1), (check.limit.max, high, -1)]
    rooms = [sign * (bound - limit) / (abs(limit) or 1.0) for limit, bound, sign in sides if limit is not None]
    return min(rooms, default=math.inf)


def _pair(raw: Sequence[float] | None) -> tuple[float, float] | None:
    return None if raw is None else (raw[0], raw[1])


def _plain(value: Any) -> Any:
    """Tuples to lists and enums to strings, so that what is written equals what is read back."""
    if isinstance(value, Outcome):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
