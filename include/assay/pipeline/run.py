"""One retraining run: what was asked for, and the evidence that each of its tasks stands on."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assay.core import (
    AssayError,
    Check,
    Judgement,
    Outcome,
    Settings,
    Stopwatch,
    Subject,
    UserError,
    Verdict,
    bind,
    code_version,
)
from assay.core.text import verdict_text
from assay.policy import ModelFolder
from assay.registry.dossier import POLICY, SNAPSHOT, Dossier, EvidenceError, find_dossier

if TYPE_CHECKING:
    from assay.data.snapshots import Snapshot
    from assay.evidence.judging import Case
    from assay.registry.candidates import Candidate
    from assay.training.onnx_model import OnnxModel

log = logging.getLogger(__name__)

LATEST = "latest"
CODE = "assay.code_version"
VERSION = "assay.version"


class GateFailed(AssayError):  # noqa: N818 (a failed gate is an answer, not an error)
    """A gate said no. Never retried: the same evidence would give the same answer."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        check = verdict.worst_check
        about = " ".join(filter(None, [check.name, check.attribute, check.reason])) if check else "nothing was checked"
        super().__init__(f"{verdict.gate} gate: {verdict.outcome}: {about}")


class GateErrored(AssayError):  # noqa: N818
    """A gate could not be measured: outcome ERROR, worth a retry."""


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
    """

    settings: Settings
    folder: ModelFolder
    run_key: str
    snapshot: str
    seed: int
    requester: str | None
    reason: str
    pinned: bool = True

    @property
    def code_version(self) -> str:
        """Digest of Assay's code and the team's `train.py`."""
        return code_version(self.folder.train)

    @cached_property
    def dossier(self) -> Dossier:
        """The run's dossier, which its first task began.

        Raises
        ------
        EvidenceError
            When it was not begun, or policy or code have changed since.
        """
        dossier = find_dossier(self.settings, model=self.folder.policy.model, run_key=self.run_key)
        tags = dossier.tags()
        now = {POLICY: self.folder.policy_sha256} | ({CODE: self.code_version} if self.pinned else {})
        changed = [key.removeprefix("assay.") for key, value in now.items() if tags.get(key) != value]
        if changed:
            raise EvidenceError([f"{name} has changed since this run began; trigger a new run" for name in changed])
        return dossier

    @cached_property
    def snapshot_id(self) -> str:
        """The snapshot that this run took."""
        return self.dossier.tags()[SNAPSHOT]

    @cached_property
    def candidate(self) -> "Candidate":
        """What training made."""
        from assay.registry.candidates import find_candidate

        return find_candidate(self.dossier)

    @property
    def version(self) -> int:
        """The number that registration gave the candidate.

        Raises
        ------
        EvidenceError
            When it has given none, for instance because the task was marked a success by hand.
        """
        tags = self.dossier.tags()
        if VERSION not in tags:
            raise EvidenceError(["registration: has made no version"])
        return int(tags[VERSION])

    @cached_property
    def onnx(self) -> "OnnxModel":
        """The candidate's bytes, fetched from the registry and compared with their digest."""
        from assay.registry.artifacts import fetch_artifact
        from assay.training.onnx_model import OnnxModel

        return OnnxModel(fetch_artifact(self.settings.tracking_uri, self.candidate.path, self.candidate.digest))

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
        gates = dict(self.folder.policy.gates)
        return {name for name, part in gates.items() if part.on_inconclusive == "review"}

    def require(self, *gates: str, trained: bool = True) -> list[Verdict]:
        """Check that these gates have let this very candidate through; see `Dossier.require`."""
        return self.dossier.require(gates, self.subject(trained=trained), reviewed=self.reviewed)

    @cached_property
    def opened(self) -> "Snapshot":
        """The snapshot, every file's digest checked."""
        from assay.data.snapshots import open_snapshot

        model = self.folder.policy.model
        return open_snapshot(root=self.settings.snapshots, model=model, snapshot_id=self.snapshot_id)

    @cached_property
    def case(self) -> "Case":
        """What the gate before training judges from, and training itself; the other gates add the candidate."""
        from assay.evidence.judging import Case

        return Case(policy=self.folder.policy, contract=self.folder.contract, snapshot=self.opened, seed=self.seed)

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
        if verdict.outcome is Outcome.INCONCLUSIVE and gate in self.reviewed:
            log.warning("%s gate: INCONCLUSIVE; the policy sends it to a person to decide", gate)
        elif verdict.outcome is not Outcome.PASS:
            raise GateFailed(verdict)
        return verdict

    def _keep(self, gate: str, judgement: Judgement, watch: Stopwatch, trained: bool) -> Verdict:
        verdict = self.dossier.append(bind(gate, judgement, self.subject(trained=trained), watch))
        log.info("verdict %s\n%s", verdict.digest, verdict_text(verdict))
        return verdict


def broken(gate: str, reason: str) -> Judgement:
    """The judgement of a gate that could not be measured."""
    return Judgement(outcome=Outcome.ERROR, checks=[Check(name=gate, outcome=Outcome.ERROR, reason=reason)])
