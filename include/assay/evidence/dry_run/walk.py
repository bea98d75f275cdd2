"""The walk: each step, in the order of the pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import (
    AssayError,
    Outcome,
    Settings,
    Stopwatch,
    Subject,
    Verdict,
    bind,
    code_version,
    sha256_bytes,
    worst,
)
from assay.evidence import course
from assay.evidence.dry_run.plan import Plan
from assay.evidence.judging import GATES, Case, broken, judge_gate
from assay.policy import code_files, file_digests

if TYPE_CHECKING:
    from assay.evidence.training import Trained
    from assay.training.onnx_model import OnnxModel

Report = Callable[[str], None]

AS_TRAINED = "_as_trained"
"""What ends the names of the verdicts on the candidate that mitigation has replaced."""

NAMES = (*GATES, *(f"{gate}{AS_TRAINED}" for gate in course.JUDGED_AGAIN))
"""What verdicts may be called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step that begins, or, once it has taken its seconds, one that has ended.

    Attributes
    ----------
    name
        As the pipeline calls its task.
    said
        What came of it, in a few words; a gate has a `verdict` too.
    """

    name: str
    seconds: float | None = None
    said: str = ""
    verdict: Verdict | None = None


@dataclass
class DryRun:
    """One walk through box and gates.

    Parameters
    ----------
    plan
        See `Plan.of`.
    place
        A folder for all that it writes, to be removed by whoever made it.
    report
        Gets every line that the team's code prints, and how far long work has come.
    """

    plan: Plan
    place: Path
    report: Report = lambda _: None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._case: Case | None = None
        self._onnx: OnnxModel | None = None
        self._before: OnnxModel | None = None
        self._judged: dict[str, int] = {}

    def steps(self) -> Iterator[Step]:
        """Walk, and tell of each step that it begins and that it has ended.

        Raises
        ------
        UserError
            When the data, the contract, the policy's mitigation or `train.py` cannot be used.
        UnavailableError
            When a disk, a store or a database fails.
        """
        yield from self._step("snapshot", self._snapshot)
        for gate in course.DATA_GATES:
            yield from self._gate(gate)
            if not self._goes_on(gate):
                return
        yield from self._step("training", lambda: self._made("first"))
        for gate in course.CANDIDATE_GATES:
            yield from self._gate(gate)
            if self._is_mitigated(gate):
                yield from self._mitigation()
            if not self._goes_on(gate):
                return

    @property
    def onnx_sha256(self) -> str | None:
        """Digest of the candidate that goes on, or was judged last; None before training."""
        return None if self._onnx is None else sha256_bytes(self._onnx.content)

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of the verdicts on that candidate and its data."""
        return worst(each.outcome for name, each in self.verdicts.items() if not name.endswith(AS_TRAINED))

    @property
    def passes(self) -> bool:
        """Whether every gate has let the candidate go on."""
        return all(self._goes_on(gate) for gate in GATES)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "isolation": self.plan.isolation,
            "onnx_sha256": self.onnx_sha256,
            "outcome": str(self.outcome),
            "gates": {name: self.verdicts[name].to_dict() for name in NAMES if name in self.verdicts},
            "seconds": dict(self.seconds),
        }

    def _step(self, name: str, work: Callable[[], str | Verdict]) -> Iterator[Step]:
        yield Step(name=name)
        watch = Stopwatch()
        made = work()
        self.seconds[name] = watch.seconds
        verdict = made if isinstance(made, Verdict) else None
        said = made if isinstance(made, str) else f"{made.passed} of {len(made.checks)} checks pass"
        yield Step(name=name, seconds=self.seconds[name], said=said, verdict=verdict)

    def _gate(self, gate: str) -> Iterator[Step]:
        name = course.task(gate, mitigated=self._before is not None)
        return self._step(name, lambda: self._judge(gate))

    def _mitigation(self) -> Iterator[Step]:
        """Make another candidate, and have it judged by the gates that judged the first so far."""
        yield from self._step("mitigation", self._mitigate)
        if self._before is None:
            return
        for gate in course.JUDGED_AGAIN:
            self.verdicts[f"{gate}{AS_TRAINED}"] = self.verdicts.pop(gate)
        for gate in course.JUDGED_AGAIN:
            yield from self._gate(gate)
            if not self._goes_on(gate):
                return

    def _goes_on(self, gate: str) -> bool:
        verdict = self.verdicts.get(gate)
        return verdict is not None and course.goes_on(self.plan.folder.policy, gate, verdict.outcome)

    def _is_mitigated(self, gate: str) -> bool:
        named = self.plan.folder.policy.mitigation is not None
        return named and course.calls_for_mitigation(gate, self.verdicts[gate].outcome)

    def _snapshot(self) -> str:
        from assay.data.snapshots import create_snapshot
        from assay.evidence.quarantine import sieve_of, sifted_before

        folder, policy, root = self.plan.folder, self.plan.folder.policy, str(self.place / "snapshots")
        taken = create_snapshot(
            source=self.plan.source,
            base=self.plan.base,
            data=policy.data,
            model=policy.model,
            root=root,
            sources=Settings.from_environment().source_roots,
            sieve=sieve_of(policy, folder.contract, self._progress),
            progress=self._progress,
        )
        sifted = sifted_before(taken, policy, folder.contract, root)
        self._case = Case(
            policy=policy,
            contract=folder.contract,
            snapshot=taken,
            seed=self.plan.seed,
            taken_at=taken.taken_at,
            sifted=sifted,
        )
        aside = "" if sifted is None else f", {sifted.set_aside:,} set aside"
        return f"{taken.rows:,} rows{aside}, {taken.id}"

    def _mitigate(self) -> str:
        first, before = self.onnx_sha256, self._onnx
        said = self._made("mitigated")
        if self.onnx_sha256 == first:
            self.notes.append("mitigation gives the very model that was found unfair; name another one in the policy")
            return "gives the same model"
        self._before = before
        return said

    def _made(self, which: str) -> str:
        """Train in the box."""
        from assay.evidence.training import train
        from assay.training.onnx_model import OnnxModel

        made = train(
            self._begun,
            self.plan.model_files,
            mitigated=which == "mitigated",
            folder=self.place / which,
            report=self.report,
        )
        self._onnx = OnnxModel(made.onnx)
        return _size(made)

    def _judge(self, gate: str) -> Verdict:
        attempt = self._judged[gate] = self._judged.get(gate, 0) + 1
        before = self._before if gate == course.MITIGABLE else None
        case = replace(self._begun, onnx=self._onnx, before=before, attempts={gate: attempt})
        watch = Stopwatch()
        try:
            # judged as the first on its data is, but that is counted nowhere: nothing of a budget is spent
            judgement = replace(judge_gate(case, gate, report=self.report), budget=None)
        except AssayError:
            raise
        except Exception as error:  # as in the pipeline: whatever broke, the verdict says so
            judgement = broken(gate, f"{type(error).__name__}: {error}")
        self.verdicts[gate] = bind(gate, judgement, self._subject, watch).numbered(attempt=attempt, previous=None)
        return self.verdicts[gate]

    @property
    def _begun(self) -> Case:
        assert self._case is not None
        return self._case

    @property
    def _subject(self) -> Subject:
        return Subject(
            model=self.onnx_sha256,
            policy_sha256=self.plan.folder.policy_sha256,
            snapshot=self._begun.snapshot.id,
            code_version=code_version(file_digests(code_files(self.plan.model_files))),
        )

    def _progress(self, doing: str, done: int, total: int | None) -> None:
        self.report(f"{doing}: {done:,}" + (f" of {total:,}" if total else ""))


def _size(made: "Trained") -> str:
    return f"{made.training_rows:,} rows, {len(made.onnx):,} bytes of ONNX, parity {made.parity:.1g}"
