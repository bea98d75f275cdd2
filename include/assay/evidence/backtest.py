"""What the verdicts of the past would have been under another policy. Nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from assay.core import (
    Anchor,
    AssayError,
    Judgement,
    Outcome,
    Settings,
    Subject,
    UserError,
    Verdict,
    did_you_mean,
    problem,
    sha256_bytes,
)
from assay.evidence import stored
from assay.evidence.backtested import Backtest, GateBacktest, RunBacktest, Source, told, unknown
from assay.evidence.judging import GATES, Case
from assay.evidence.rejudge import Progress, judge
from assay.evidence.restate import restate
from assay.evidence.stored import Stored, rival
from assay.evidence.waivers import Waiver, cover
from assay.policy import Policy, parse_policy
from assay.registry.artifacts import MissingError, TamperedError
from assay.registry.dossier import EvidenceError
from assay.registry.signing import SignatureError

if TYPE_CHECKING:
    from assay.registry.archive import Archive
    from assay.training.onnx_model import OnnxModel

# A thing that the dossier names is gone, was changed, or does not fit the policy. That MLflow or the
# database are down says nothing about the past, and ends the backtest.
_LOST = (EvidenceError, TamperedError, SignatureError, MissingError, UserError)


@dataclass(frozen=True, kw_only=True)
class _Past:
    """A past run, opened."""

    archive: "Archive"
    found: Stored
    old: Policy
    new: Policy
    progress: Progress = field(repr=False)

    def gates(self) -> Iterator[GateBacktest]:
        """Each gate under the new policy, from its verdict where that suffices."""
        verdicts = self.found.verdicts
        for gate in GATES:
            verdict = verdicts.get(gate)
            held = None if verdict is None else self._held(verdict)
            if verdict is not None and held is not None:
                yield self._told(verdict, replace(verdict, outcome=held.outcome, checks=held.checks), "stored")
            else:
                yield self._measured(gate, verdict)

    def _held(self, verdict: Verdict) -> Judgement | None:
        """What follows from the verdict alone, if it was judged under the run's policy and on the same rows."""
        own = verdict.policy_sha256 == self.found.request.facts["policy_sha256"]
        same = own and not _other_rows(verdict.gate, self.old, self.new)
        return restate(verdict, self.old, self.new) if same else None

    def _measured(self, gate: str, verdict: Verdict | None) -> GateBacktest:
        lost = self._lost(gate)
        if lost:
            return unknown(gate, verdict, lost)
        self.progress(f"measuring {gate} of {self.found.request.facts['run_key']} again")
        try:
            return self._told(verdict, self._judged(gate, verdict), "replayed")
        except _LOST as error:
            return unknown(gate, verdict, _why(error))

    def _told(self, verdict: Verdict | None, would: Verdict, source: Source) -> GateBacktest:
        part = dict(self.new.gates).get(would.gate)
        excused = would.outcome is Outcome.INCONCLUSIVE and part is not None and part.on_inconclusive == "review"
        covered = cover(would, [Waiver.from_dict(each.facts) for each in self.found.events("waiver")]) is not None
        return told(verdict, would, source, lets_through=would.outcome is Outcome.PASS or excused or covered)

    def _lost(self, gate: str) -> str:
        """Why a gate cannot be measured for this run under the new policy; empty when it can."""
        old, new = self.old.data, self.new.data
        if gate == "contract":
            return ""
        if self.found.model is None:
            return "the run was stopped before training"
        if (old.label, old.positive) != (new.label, new.positive):
            return "the new policy predicts something else than this model does"
        if old.key != new.key or new.holdout > old.holdout:
            return "the new policy holds out rows that this model was trained on"
        return ""

    def _judged(self, gate: str, verdict: Verdict | None) -> Verdict:
        from assay.training.onnx_model import OnnxModel

        onnx = None if gate == "contract" else OnnxModel(self.found.onnx())
        mitigates = self.found.mitigates
        data = self.old.data.model_copy(update={"sensitive": self.new.data.sensitive, "holdout": self.new.data.holdout})
        with TemporaryDirectory() as scratch:
            contract = Path(scratch) / "contract.json"
            contract.write_bytes(self.found.file(stored.CONTRACT))
            snapshot = self.found.snapshot()
            case = Case(
                policy=self.new.model_copy(update={"data": data}),  # the model reads the features that it was made with
                contract=contract,
                snapshot=snapshot,
                taken_at=self.found.taken_at(snapshot),
                lost=self.found.lost,
                sifted=self.found.sifted() if gate == "contract" else None,
                seed=int(self.found.request.facts["seed"]),
                onnx=onnx,
                champion=self._champion(gate, verdict),
                before=None if mitigates is None else OnnxModel(self.found.onnx(mitigates)),
                attempts=self.found.attempts,
                reference=self.found.reference(),
                history=self.found.history,
            )
            measured = judge(case, gate, Subject(model=None, policy_sha256=None, snapshot=None, code_version=""))
        broken = [check.reason for check in measured.checks if check.name == gate]
        if broken:
            raise EvidenceError(broken)
        return measured

    def _champion(self, gate: str, verdict: Verdict | None) -> "tuple[int, OnnxModel] | None":
        """The champion that the run compared with, or would have."""
        from assay.training.onnx_model import OnnxModel

        if gate != "performance" or not self.new.gates.performance.compares:
            return None
        if verdict is not None and self.old.gates.performance.compares:
            pair = rival(self.archive, self.new.model, verdict)
        else:
            pair = self._serving(self.found.request.at if verdict is None else verdict.started_at)
        return None if pair is None else (pair[0], OnnxModel(pair[1]))

    def _serving(self, when: str) -> tuple[int, bytes] | None:
        from assay.evidence.opening import rollouts
        from assay.rollout.history import at, timeline

        engine = rollouts(self.archive.settings).engine
        served = [each.version for each in at(timeline(engine, self.new.model), when) if each.role == "champion"]
        return (served[0], Stored.of_version(self.archive, self.new.model, served[0]).onnx()) if served else None


def backtest(
    settings: Settings, model: str, content: bytes, *, subject: str, progress: Progress = lambda _: None
) -> Backtest:
    """Judge every past run of a model, registered or stopped, under a new policy.

    Parameters
    ----------
    content
        The new policy file.
    subject
        What it is called in messages.
    progress
        Told what is done next.

    Raises
    ------
    UserError
        When the policy is wrong or another model's, or the model has no past.
    UnavailableError
        When registry or database do not answer.
    """
    from assay.evidence.opening import archive

    new = parse_policy(content, subject)
    if new.model != model:
        raise problem("model", f'is "{new.model}" in {subject}, not "{model}"', "give the policy of this model")
    runs, changes = [], set[str]()
    for first in _begun(settings, model):
        progress(f"reading the dossier {first.dossier}")
        for run, changed in _runs(archive(settings), first, new, progress):
            runs.append(run)
            changes |= changed
    mend = "past models are judged as they were made"
    notes = [f"the new policy changes {', '.join(sorted(changes))}: {mend}"] if changes else []
    return Backtest(model=model, policy_sha256=sha256_bytes(content), runs=tuple(runs), notes=tuple(notes))


def _begun(settings: Settings, model: str) -> list[Anchor]:
    """The first anchor of each dossier of the model, oldest first: what was begun is known here even if it is gone."""
    from assay.evidence.opening import rollouts
    from assay.rollout.anchors import AnchorTable

    first = [anchor for anchor in AnchorTable(rollouts(settings).engine).all() if anchor.number == 1]
    found = [anchor for anchor in first if anchor.model == model]
    if not found:
        raise problem(model, "no run of this model is recorded", did_you_mean(model, {each.model for each in first}))
    return found


def _runs(archive: "Archive", first: Anchor, new: Policy, progress: Progress) -> Iterator[tuple[RunBacktest, set[str]]]:
    """One dossier's versions, or its stopped run, each with what the new policy changes that no gate can judge."""
    known = RunBacktest(dossier=first.dossier, run_key=first.dossier, at=first.at, version=None, gates=())
    try:
        found = Stored.of(archive, archive.load(first.dossier))
        known = replace(known, run_key=str(found.request.facts["run_key"]))
    except _LOST as error:
        yield replace(known, gates=tuple(unknown(gate, None, _why(error)) for gate in GATES)), set()
        return
    versions: list[int | None] = [*found.versions] or [None]
    for version in versions:
        one = replace(found, version=version)
        try:
            old = parse_policy(one.file(stored.POLICY), stored.POLICY)
        except _LOST as error:
            gates = [unknown(gate, one.verdicts.get(gate), _why(error)) for gate in GATES]
            yield replace(known, version=version, gates=tuple(gates)), set()
            continue
        past = _Past(archive=archive, found=one, old=old, new=new, progress=progress)
        yield replace(known, version=version, gates=tuple(past.gates())), _training_changes(old, new)


def _training_changes(old: Policy, new: Policy) -> set[str]:
    """The parts of the policy that make the model, not judge it, and that differ."""
    changed = {f"training.{name}" for name, value in old.training if value != dict(new.training)[name]}
    return changed | ({"data.features"} if old.data.features != new.data.features else set())


def _other_rows(gate: str, old: Policy, new: Policy) -> bool:
    """Whether the new policy measures on other rows, or looks for another class in them."""
    return gate != "contract" and any(
        getattr(old.data, name) != getattr(new.data, name) for name in ("key", "label", "positive", "holdout")
    )


def _why(error: AssayError) -> str:
    return "; ".join(error.reasons) if isinstance(error, EvidenceError) else " ".join(str(error).split())
