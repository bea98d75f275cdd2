"""One retraining run: what was asked for, and the evidence that each of its tasks stands on."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from assay.core import (
    AssayError,
    Event,
    Judgement,
    Outcome,
    Record,
    Settings,
    Stopwatch,
    Subject,
    UserError,
    Verdict,
    bind,
    code_version,
    sha256_file,
    utc_now,
)
from assay.core.text import verdict_text
from assay.evidence import course
from assay.evidence.judging import broken
from assay.evidence.opening import archive, rollouts
from assay.evidence.waivers import Waiver, cover, stored_waivers, waived, waiver_event
from assay.policy import ModelFolder, code_files, file_digests
from assay.registry.dossier import Dossier, EvidenceError, doubts

if TYPE_CHECKING:
    from assay.data.quarantine import Sifted
    from assay.data.snapshots import Snapshot
    from assay.evidence.judging import Case
    from assay.registry.candidates import Candidate
    from assay.training.onnx_model import OnnxModel

log = logging.getLogger(__name__)

LATEST = "latest"

Which = Literal["first", "mitigated", "current"]
"""Of a run's candidates: the one as trained, the one that mitigation made from it, the one that goes on."""


class Shown(TypedDict, total=False):
    """Beside the run, what shows a record's tags."""

    candidate: str
    version: int


class GateFailed(AssayError):  # noqa: N818 (a failed gate is an answer, not an error)
    """A gate said no. Never retried: the same evidence would give the same answer."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        check = verdict.worst_check
        about = " ".join(filter(None, [check.name, check.attribute, check.reason])) if check else "nothing was checked"
        super().__init__(f"{verdict.gate} gate: {verdict.outcome}: {about}")


class GateErrored(AssayError):  # noqa: N818
    """A gate could not be measured: outcome ERROR, worth a retry."""


class NotNeeded(AssayError):  # noqa: N818
    """There is nothing for this task to do in this run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a task knows about its run.

    Attributes
    ----------
    settings, folder
        Where things are, and the model's folder.
    run_key
        Names the orchestrator's run, and so the dossier.
    snapshot
        `LATEST`, or the id of an existing snapshot.
    seed
        Seed of the training and of every gate's resampling.
    requester
        Who asked for the run; None when a schedule did.
    reason
        Why, in the requester's words.
    pinned
        Whether the code must be what it was when the run began. Measuring needs that; an approval
        or a canary, which may wait for days, must outlive an upgrade.
    which
        Which of its candidates the task is about.
    """

    settings: Settings
    folder: ModelFolder
    run_key: str
    snapshot: str
    seed: int
    requester: str | None
    reason: str
    pinned: bool = True
    which: Which = "current"

    def about(self, which: Which) -> "Run":
        """The same run with another of its candidates in view."""
        other = replace(self, which=which)
        other.__dict__["dossier"] = self.dossier  # opened once
        return other

    @cached_property
    def model_files(self) -> dict[str, bytes]:
        """The files of the model's folder but its data, read once: these bytes are digested, archived and run."""
        return self.folder.model_files()

    @property
    def code_version(self) -> str:
        """Digest of Assay's code and of the model's code files."""
        return code_version(file_digests(code_files(self.model_files)))

    @cached_property
    def dossier(self) -> Dossier:
        """The run's dossier, which its first task began.

        Raises
        ------
        EvidenceError
            When it was not begun.
        """
        return archive(self.settings).find(model=self.folder.policy.model, run_key=self.run_key)

    @cached_property
    def seen(self) -> list[Record]:
        """The dossier's records when this task first looked; earlier tasks wrote all that it builds on."""
        return self.dossier.records()

    def latest(self, kind: str) -> Event:
        """The latest event of a kind.

        Raises
        ------
        EvidenceError
            When there is none, for instance because a task was marked a success by hand.
        """
        found = [record for record in self.seen if isinstance(record, Event) and record.event == kind]
        if not found:
            raise EvidenceError([f"{kind}: the dossier records none"])
        return found[-1]

    @property
    def changed(self) -> list[str]:
        """What is not as it was when the run began."""
        facts = self.latest("request").facts
        now = {"policy": ("policy_sha256", self.folder.policy_sha256)}
        if self.pinned:
            now["data contract"] = ("contract_sha256", sha256_file(self.folder.contract))
            now["code or a file of the model's folder"] = ("code_version", self.code_version)
        changed = [
            f"the {name} has changed since this run began; trigger a new run"
            for name, (key, value) in now.items()
            if facts[key] != value
        ]
        if facts["seed"] != self.seed:
            changed.append(f"the seed is {self.seed}, but this run began with {facts['seed']}; trigger a new run")
        return changed

    @property
    def snapshot_id(self) -> str:
        """The snapshot that this run took."""
        return str(self.latest("snapshot").facts["snapshot"])

    @cached_property
    def candidate(self) -> "Candidate":
        """The candidate that is in view.

        The one that mitigation made goes on when the latest verdict of the fairness gate is about it;
        when that gate has since been judged again on the one as trained, that one does.

        Raises
        ------
        EvidenceError
            When it was not made.
        """
        from assay.registry.candidates import Candidate

        facts = self._trained[self.which].facts
        return Candidate(model_id=facts["candidate"], digest=facts["sha256"], path=facts["path"])

    @property
    def _trained(self) -> dict[Which, Event]:
        made = [record for record in self.seen if isinstance(record, Event) and record.event == "training"]
        first = next((each for each in reversed(made) if "mitigates" not in each.facts), None)
        if first is None:
            raise EvidenceError(["training: the dossier records none"])
        own = [each for each in made if each.facts.get("mitigates") == first.facts["sha256"]]
        if self.which == "mitigated" and not own:
            raise EvidenceError(["mitigation: the dossier records none of this candidate"])
        last = own[-1] if own else first
        judged = self.judged("fairness")
        current = last if judged is not None and judged.model == last.facts["sha256"] else first
        return {"first": first, "mitigated": last, "current": current}

    def judged(self, gate: str) -> Verdict | None:
        """The latest verdict of a gate when this task first looked, whichever candidate it is about."""
        found = [record for record in self.seen if isinstance(record, Verdict) and record.gate == gate]
        return found[-1] if found else None

    def attempt(self, gate: str) -> int:
        """Which of the candidates that a gate has measured on this snapshot the one in view is."""
        from assay.rollout.attempts import Attempts

        attempts = Attempts(rollouts(self.settings).engine)
        model, digest = self.folder.policy.model, self.candidate.digest
        return attempts.number(model=model, gate=gate, snapshot=self.snapshot_id, candidate=digest)

    @property
    def version(self) -> int:
        """The number that registration gave the candidate."""
        return int(self.latest("registration").facts["version"])

    @cached_property
    def onnx(self) -> "OnnxModel":
        """The candidate's bytes, fetched from the registry, their digest and signature checked."""
        from assay.registry.artifacts import fetch_model
        from assay.training.onnx_model import OnnxModel

        return OnnxModel(fetch_model(self.settings, self.candidate.path, self.candidate.digest))

    def subject(self, *, trained: bool = True) -> Subject:
        """The digests that a verdict of this run is about."""
        return Subject(
            model=self.candidate.digest if trained else None,
            policy_sha256=self.folder.policy_sha256,
            snapshot=self.snapshot_id,
            code_version=self.code_version,
        )

    @property
    def reviewed(self) -> set[str]:
        """Gates whose INCONCLUSIVE the policy sends to a person instead of stopping the run."""
        return course.reviewed(self.folder.policy)

    def doubts(self, *gates: str, trained: bool = True) -> tuple[list[Verdict], list[str]]:
        """The latest verdict of each gate, and all that keeps this very candidate from going on with them."""
        if not gates:
            return [], self.changed
        tier, today = self.folder.policy.tier, datetime.now(UTC).date()
        records = self.dossier.records()
        anchored = {anchor.digest: anchor.seq for anchor in self.dossier.anchors.of(self.dossier.run_id)}
        excused, lapsed = waived(records, self.dossier.keyring, tier, today=today, anchored=anchored)
        verdicts, reasons = doubts(
            records, gates, self.subject(trained=trained), reviewed=self.reviewed, waived=excused
        )
        return verdicts, [*self.changed, *reasons, *(lapsed if reasons else [])]

    def require(self, *gates: str, trained: bool = True) -> list[Verdict]:
        """As `doubts`, where any doubt is an error.

        Raises
        ------
        EvidenceError
            Listing every reason.
        """
        verdicts, reasons = self.doubts(*gates, trained=trained)
        if reasons:
            raise EvidenceError(reasons)
        return verdicts

    def record(self, event: str, operation: str, facts: Mapping[str, Any], *, version: int | None = None) -> Event:
        """Record what this run did, once per operation."""
        happened = Event(event=event, operation=operation, by=self.run_key, at=utc_now(), facts=facts)
        return self.dossier.record(happened, version=version)

    @cached_property
    def opened(self) -> "Snapshot":
        """The snapshot, every file's digest checked."""
        return self._open(self.snapshot_id)

    def _open(self, snapshot_id: str) -> "Snapshot":
        from assay.data.snapshots import open_snapshot

        return open_snapshot(root=self.settings.snapshots, model=self.folder.policy.model, snapshot_id=snapshot_id)

    @cached_property
    def case(self) -> "Case":
        """What training works from; every gate adds what it compares."""
        from assay.evidence.judging import Case

        return Case(policy=self.folder.policy, contract=self.folder.contract, snapshot=self.opened, seed=self.seed)

    def compared(self) -> "Case":
        """The case with what its data are compared with: the champion's data, and the snapshots before."""
        from assay.data.takings import taken_at

        facts = self.latest("snapshot").facts
        reference = facts.get("reference")
        return replace(
            self.case,
            reference=None if reference is None else self._open(str(reference)),
            history=facts.get("history", ()),
            taken_at=taken_at(facts["taking"]),
            lost=str(facts.get("reference_lost", "")),
            sifted=self._sifted(facts),
        )

    def _sifted(self, facts: Mapping[str, Any]) -> "Sifted | None":
        """What was set aside when the rows were taken; a policy that sets rows aside must find it told."""
        from assay.data.quarantine import Sifted

        policy = self.folder.policy
        if policy.gates.contract.on_bad_rows == "block":
            return None
        if "quarantine" not in facts:
            raise EvidenceError(["quarantine: the record of the snapshot does not say what was set aside"])
        return Sifted.of(facts["quarantine"], root=self.settings.snapshots, model=policy.model)

    def decide(self, gate: str, judge: Callable[[], Judgement], *, trained: bool = True) -> Verdict:
        """Run a gate, keep its verdict, show it, and only then raise if it said no.

        Raises
        ------
        GateFailed
            On FAIL, and on INCONCLUSIVE unless the policy sends it to a person.
        GateErrored
            On ERROR.
        """
        watch = Stopwatch()
        try:
            judgement = judge()
        except UserError as error:
            self._keep(gate, broken(gate, str(error)), watch, trained)
            raise
        except Exception as error:  # whatever broke, the dossier says so before the task fails
            self._keep(gate, broken(gate, f"{type(error).__name__}: {error}"), watch, trained)
            raise
        verdict = self._keep(gate, judgement, watch, trained)
        if verdict.outcome is Outcome.ERROR:
            raise GateErrored(f"{gate} gate: ERROR: {verdict.worst_check.reason if verdict.worst_check else ''}")
        if not course.goes_on(self.folder.policy, gate, verdict.outcome):
            if not self._is_waived(verdict):
                raise GateFailed(verdict)
        elif verdict.outcome is Outcome.INCONCLUSIVE:
            log.warning("%s gate: INCONCLUSIVE; the policy sends it to a person to decide", gate)
        return verdict

    def _is_waived(self, verdict: Verdict) -> bool:
        """Whether waivers let the verdict go on; if so the dossier says which."""
        pairs = cover(verdict, self._waivers())
        for check, waiver in pairs or ():
            log.warning("%s: waived by %s until %s: %s", waiver.address, waiver.owner, waiver.expires, waiver.reason)
            self.dossier.record(waiver_event(verdict, check, waiver, by=self.run_key), **self._shown_on(verdict))
        return pairs is not None

    def _waivers(self) -> list[Waiver]:
        policy, today = self.folder.policy, datetime.now(UTC).date()
        found = stored_waivers(rollouts(self.settings).engine, policy.model)
        return [each for each in found if not each.doubts(self.dossier.keyring, policy.tier, today=today)]

    def _keep(self, gate: str, judgement: Judgement, watch: Stopwatch, trained: bool) -> Verdict:
        verdict = bind(gate, judgement, self.subject(trained=trained), watch)
        verdict = self.dossier.append(verdict, **self._shown_on(verdict))
        log.info("verdict %s\n%s", verdict.digest, verdict_text(verdict))
        return verdict

    def _shown_on(self, verdict: Verdict) -> Shown:
        """Who beside the run shows what becomes of a verdict: the version; before there is one, the candidate."""
        if any(record.kind == "registration" for record in self.seen):
            return {"version": self.version}
        return {} if verdict.model is None else {"candidate": self.candidate.model_id}
