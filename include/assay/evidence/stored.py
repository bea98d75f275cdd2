"""What a dossier's records name: the files, the data and the models that its verdicts were made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from assay.core import Event, Record, UserError, Verdict, sha256_bytes
from assay.evidence.judging import GATES
from assay.registry.artifacts import TamperedError
from assay.registry.dossier import Dossier, EvidenceError

if TYPE_CHECKING:
    from datetime import datetime

    from assay.core import Settings
    from assay.data.quarantine import Sifted
    from assay.data.snapshots import Snapshot
    from assay.registry.archive import Archive

POLICY, CONTRACT, TRAIN, MODEL_FILES, CODE = (
    f"inputs/{name}" for name in ("policy.yaml", "contract.json", "train.py", "model.zip", "assay.zip")
)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A dossier whose chain was checked, and what hangs on it by digest.

    Attributes
    ----------
    settings
        Where things are.
    dossier
        The dossier.
    records
        Its chain, oldest first.
    version
        Which of the versions that it registered is meant; None for a run that was stopped before.
    """

    settings: "Settings"
    dossier: Dossier
    records: Sequence[Record] = field(repr=False)
    version: int | None

    @classmethod
    def of(cls, archive: "Archive", dossier: Dossier) -> "Stored":
        """Read a dossier's chain; the latest version is meant.

        Raises
        ------
        EvidenceError
            When a record was changed or is missing.
        """
        found = cls(settings=archive.settings, dossier=dossier, records=dossier.records(), version=None)
        return replace(found, version=max(found.versions, default=None))

    @classmethod
    def of_version(cls, archive: "Archive", model: str, version: int) -> "Stored":
        """Read the chain of a registered version.

        Raises
        ------
        UserError
            When there is no such version, naming those there are.
        EvidenceError
            When the dossier that it names did not register it, or its chain is not whole.
        """
        found = cls.of(archive, archive.of_version(model, version))
        if found.dossier.model != model or version not in found.versions:
            raise EvidenceError([f"dossier {found.dossier.run_id}: did not register {model} version {version}"])
        return replace(found, version=version)

    def events(self, kind: str) -> list[Event]:
        """The events of a kind, oldest first."""
        return [record for record in self.records if isinstance(record, Event) and record.event == kind]

    def event(self, kind: str) -> Event:
        """The latest event of a kind.

        Raises
        ------
        EvidenceError
            When there is none.
        """
        found = self.events(kind)
        if not found:
            raise EvidenceError([f"{kind}: the dossier {self.dossier.run_id} records none"])
        return found[-1]

    @property
    def request(self) -> Event:
        """What was asked for, and the digests of all that the run began with."""
        return self.event("request")

    @property
    def versions(self) -> list[int]:
        """The versions that the run registered: one more where a repeated training made other bytes."""
        return [int(each.facts["version"]) for each in self.events("registration")]

    @property
    def model(self) -> str | None:
        """SHA-256 of the model that became the version, or else of the one trained last; None when none was."""
        registered = [each for each in self.events("registration") if each.facts["version"] == self.version]
        made = registered or self.events("training")
        return str(made[-1].facts["sha256"]) if made else None

    @property
    def mitigates(self) -> str | None:
        """SHA-256 of the model that `model` was made from by mitigation; None when it is as trained."""
        made = [each for each in self.events("training") if each.facts["sha256"] == self.model]
        return made[-1].facts.get("mitigates") if made else None

    @property
    def attempts(self) -> dict[str, int]:
        """For each gate that counted them, which attempt on the snapshot the model was."""
        return {gate: each.budget.attempt for gate, each in self.verdicts.items() if each.budget is not None}

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The latest verdict of each gate that can be judged again, about the model and not about an earlier one."""
        found = {
            each.gate: each for each in self.records if isinstance(each, Verdict) and each.model in (None, self.model)
        }
        return {gate: found[gate] for gate in GATES if gate in found}

    def file(self, name: str) -> bytes:
        """A file that the run began with.

        Raises
        ------
        EvidenceError
            When the run did not keep it, or it is gone.
        TamperedError
            When its bytes are not those that the request names.
        """
        digest = self.request.facts["files"].get(name)
        if digest is None:
            raise EvidenceError([f"{name}: is not among the files that the request names"])
        content = self.dossier.read(name)
        if sha256_bytes(content) != digest:
            raise TamperedError(name, digest, sha256_bytes(content))
        return content

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was known of the snapshots before the run's."""
        return list(self.event("snapshot").facts.get("history", ()))

    @property
    def lost(self) -> str:
        """Why the run's data were not compared with those of the champion of the time; empty where they were."""
        return str(self.event("snapshot").facts.get("reference_lost", ""))

    def taken_at(self, snapshot: "Snapshot") -> "datetime":
        """When the run's own taking read the rows of its snapshot."""
        from assay.data.takings import taken_at

        return taken_at(self.event("snapshot").facts.get("taking", snapshot.takings[0]))

    def snapshot(self) -> "Snapshot":
        """The run's data, every file's digest checked, the manifest's against the record.

        Raises
        ------
        EvidenceError
            When it is gone or was changed.
        """
        facts = self.event("snapshot").facts
        found = self._opened(facts["snapshot"])
        if found.manifest_sha256 != facts["manifest_sha256"]:
            raise EvidenceError([f"snapshot {found.id}: {_other_manifest(found, facts['manifest_sha256'])}"])
        return found

    def reference(self) -> "Snapshot | None":
        """The data that the champion of the time was made from; None where there was nothing to compare with.

        Raises
        ------
        EvidenceError
            When they are gone or were changed.
        """
        wanted = self.event("snapshot").facts.get("reference")
        return None if wanted is None else self._opened(wanted)

    def sifted(self) -> "Sifted | None":
        """What was set aside when the run took its rows; None where bad rows were to block.

        Raises
        ------
        EvidenceError
            When the rows that were set aside are gone or were changed.
        """
        from assay.data.quarantine import Sifted

        told = self.event("snapshot").facts.get("quarantine")
        if told is None:
            return None
        try:
            return Sifted.of(told, root=self.settings.snapshots, model=self.dossier.model)
        except UserError as error:
            raise EvidenceError([f"quarantine: {each}" for each in error.problems]) from None

    def _opened(self, snapshot_id: str) -> "Snapshot":
        from assay.data.snapshots import open_snapshot

        try:
            return open_snapshot(root=self.settings.snapshots, model=self.dossier.model, snapshot_id=snapshot_id)
        except UserError as error:  # whoever asks for a replay has made no mistake
            raise EvidenceError([f"snapshot {snapshot_id}: {each}" for each in error.problems]) from None

    def onnx(self, digest: str | None = None) -> bytes:
        """A model's bytes, their digest and signature checked.

        Parameters
        ----------
        digest
            Which of the models that the run trained; `model` by default.

        Raises
        ------
        EvidenceError
            When the run trained none.
        TamperedError, SignatureError, UnavailableError
            As `fetch_model`.
        """
        from assay.registry.artifacts import fetch_model

        wanted = self.model if digest is None else digest
        paths = [each.facts["path"] for each in self.events("training") if each.facts["sha256"] == wanted]
        if wanted is None or not paths:
            raise EvidenceError([f"training: the dossier records none{f' of {digest}' if digest else ''}"])
        return fetch_model(self.settings, paths[-1], wanted)


def _other_manifest(found: "Snapshot", recorded: str) -> str:
    """Why a snapshot has not the manifest that was recorded."""
    from assay.data.tombstones import find

    tombstone = find(found.folder, found.id, recorded)
    if tombstone is None:
        return "its manifest is not the one that was recorded"
    return f"{tombstone.sentence}; the same rows were taken anew since, under terms of their own"


def rival(archive: "Archive", model: str, verdict: Verdict) -> tuple[int, bytes] | None:
    """The champion that a verdict compared with, fetched by its own dossier; None where nothing was compared.

    Raises
    ------
    EvidenceError, UserError, TamperedError, SignatureError, UnavailableError
        As `Stored.of_version` and `Stored.onnx`.
    """
    version = _rival_version(verdict)
    if version is None:
        return None
    try:
        return version, Stored.of_version(archive, model, version).onnx()
    except EvidenceError as error:
        about = f"version {version}, the champion of the time"
        raise EvidenceError([f"{about}: {reason}" for reason in error.reasons]) from None


def _rival_version(verdict: Verdict) -> int | None:
    """The version that a performance verdict's comparisons name; None where nothing was compared."""
    named = [
        int(side["version"])
        for check in verdict.checks
        if verdict.gate == "performance" and check.compare == "difference"
        for side in check.groups or ()
        if side.get("version", "").isdigit()
    ]
    return named[0] if named else None
