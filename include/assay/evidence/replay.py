"""Judge a version's gates again from its dossier alone, by the code that judged them first."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import AssayError, Outcome, Problem, UserError, Verdict, canonical_json, did_you_mean
from assay.evidence import rejudge, stored
from assay.evidence.archive_files import (
    archived_code,
    archived_model,
    differing,
    is_installed,
    recorded_version,
    unpack,
)
from assay.evidence.compare import differences
from assay.evidence.judging import GATES
from assay.evidence.stored import Stored, rival
from assay.policy import file_digests, write_model_files
from assay.registry.dossier import EvidenceError

if TYPE_CHECKING:
    from assay.registry.archive import Archive

_UNREPLAYED = {
    "approval": "rests on a person's answer",
    "risk_approval": "rests on a person's answer",
    "canary": "rests on live traffic",
}
_OURS = ("ASSAY_", "AIRFLOW_", "MLFLOW_", "_MLFLOW_")  # addresses and secrets that judging has no need of

_ISOLATION = ("ASSAY_ISOLATION", "ASSAY_TRAINING_USER")


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """One gate, judged again.

    Attributes
    ----------
    digest
        Of the recorded verdict.
    recorded, replayed
        Both outcomes.
    checks
        How many checks were compared.
    differences
        A sentence for each field that differs; empty when all agrees.
    """

    gate: str
    digest: str
    recorded: Outcome
    replayed: Outcome
    checks: int
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrained:
    """The ONNX bytes' SHA-256: as recorded, and as training makes them now."""

    recorded: str
    retrained: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """What judging a version again came to.

    Attributes
    ----------
    dossier
        The MLflow run that holds the records.
    code_version
        Digest of the code that judged, then and now.
    archived
        Whether that code came out of the dossier because another Assay is installed.
    gates
        In the order in which a run passes them.
    retrained
        None unless it was asked for.
    libraries
        Where the libraries here are not those of the run.
    unreplayed
        Gates whose verdicts cannot be made again, and why.
    """

    model: str
    version: int
    dossier: str
    code_version: str
    archived: bool
    gates: tuple[Replayed, ...]
    retrained: Retrained | None
    libraries: tuple[str, ...]
    unreplayed: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether everything that was asked for came out as recorded."""
        same = self.retrained is None or self.retrained.recorded == self.retrained.retrained
        return same and not any(gate.differences for gate in self.gates)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        found: dict[str, Any] = json.loads(canonical_json(asdict(self)))
        return {**found, "agrees": self.agrees}


def replay(
    archive: "Archive",
    model: str,
    version: int,
    *,
    gates: Collection[str] | None = None,
    retrain: bool = False,
    progress: rejudge.Progress = lambda _: None,
) -> Replay:
    """Judge a registered version again, by nothing but what its dossier names, and compare.

    Parameters
    ----------
    archive
        See `opening.archive`.
    gates
        Which of `judging.GATES`; None for all that the dossier holds.
    retrain
        Whether to train again too, and compare the bytes.
    progress
        Told what is done next.

    Raises
    ------
    UserError
        When there is no such version or gate, naming those there are.
    EvidenceError, TamperedError, SignatureError
        When a record, a file, the data or a model is not what was recorded, or is gone.
    UnavailableError
        When the registry does not answer.
    """
    progress("reading the dossier")
    found = Stored.of_version(archive, model, version)
    verdicts = _chosen(found, gates)
    progress("fetching what the dossier names")
    files, asked = _case(archive, found, verdicts, retrain=retrain)
    code = str(found.request.facts["code_version"])
    archived = not is_installed(found.request.facts)
    code_archive = _archived(found, code) if archived else None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / model  # training names the team's module after the folder that it lies in
        folder.mkdir()
        for name, content in {**files, rejudge.CASE: canonical_json(asked)}.items():
            (folder / name).write_bytes(content)
        write_model_files(_model_files(found), folder / rejudge.FILES)
        if code_archive is None:
            answer = json.loads(canonical_json(rejudge.rejudge(folder, progress)))
        else:
            progress("judging again with the code of the time")
            answer = _by_archived_code(folder, Path(scratch) / "code", code_archive)
    return Replay(
        model=model,
        version=version,
        dossier=found.dossier.run_id,
        code_version=code,
        archived=archived,
        gates=tuple(_compared(verdict, answer) for verdict in verdicts),
        retrained=Retrained(recorded=found.model or "", retrained=answer["onnx_sha256"]) if retrain else None,
        libraries=tuple(differing(found.request.facts["environment"])),
        unreplayed=tuple(
            f"{kind}: {why}" for kind, why in _UNREPLAYED.items() if any(each.kind == kind for each in found.records)
        ),
    )


def _chosen(found: Stored, gates: Collection[str] | None) -> list[Verdict]:
    """The recorded verdicts that were asked for."""
    verdicts = found.verdicts
    if gates is None:
        return list(verdicts.values())
    problems = [
        Problem(path=gate, message=f"is not judged again: it {_UNREPLAYED[gate]}", mend=f"known: {', '.join(GATES)}")
        if gate in _UNREPLAYED
        else Problem(path=gate, message="no verdict of such a gate", mend=did_you_mean(gate, verdicts))
        for gate in dict.fromkeys(gates)
        if gate not in verdicts
    ]
    if problems:
        raise UserError("--gate", problems)
    return [verdict for gate, verdict in verdicts.items() if gate in gates]


def _case(
    archive: "Archive", found: Stored, verdicts: Sequence[Verdict], *, retrain: bool
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The folder that `rejudge` reads: its files, and what its case says."""
    files = {
        rejudge.POLICY: found.file(stored.POLICY),
        rejudge.CONTRACT: found.file(stored.CONTRACT),
        rejudge.TRAIN: found.file(stored.TRAIN),
        rejudge.MODEL: found.onnx(),
    }
    if found.mitigates is not None:
        files[rejudge.BEFORE] = found.onnx(found.mitigates)
    rivals = [pair for verdict in verdicts if (pair := rival(archive, found.dossier.model, verdict))]
    if rivals:
        files[rejudge.CHAMPION] = rivals[0][1]
    snapshot = found.snapshot()
    asked = {
        "snapshots": snapshot.folder.root,
        "snapshot": snapshot.id,
        "seed": found.request.facts["seed"],
        "gates": [verdict.gate for verdict in verdicts],
        "champion": rivals[0][0] if rivals else None,
        "train": retrain,
        "attempts": found.attempts,
        "mitigated": found.mitigates is not None,
        "reference": None if (reference := found.reference()) is None else reference.id,
        "history": found.history,
        "taken_at": found.taken_at(snapshot).isoformat(),
        "lost": found.lost,
        "quarantine": None if (sifted := found.sifted()) is None else sifted.facts(),
    }
    return files, asked


def _model_files(found: Stored) -> dict[str, bytes]:
    """The files that training could read, known by their digests; of an older dossier `train.py` alone.

    Raises
    ------
    EvidenceError
        When the archive does not hold what the request names.
    """
    recorded = found.request.facts.get("model_files")
    if recorded is None:
        return {rejudge.TRAIN: found.file(stored.TRAIN)}
    try:
        files = archived_model(found.file(stored.MODEL_FILES))
    except zipfile.BadZipFile:
        files = {}
    if file_digests(files) != recorded:
        raise EvidenceError([f"{stored.MODEL_FILES}: does not hold the files that the request names"])
    return files | {"policy.yaml": found.file(stored.POLICY), "contract.json": found.file(stored.CONTRACT)}


def _archived(found: Stored, code: str) -> bytes:
    """The code of the time out of the dossier, known by its digest."""
    content = found.file(stored.CODE)
    try:
        own = archived_code(content)
    except zipfile.BadZipFile:
        own = ""
    if recorded_version(own, found.request.facts) != code:
        raise EvidenceError([f"{stored.CODE}: is not the code that the request names"])
    return content


def _by_archived_code(folder: Path, place: Path, content: bytes) -> dict[str, Any]:
    """Run `rejudge` as it was, in a process of its own."""
    unpack(content, place)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS) or name in _ISOLATION}
    path = os.pathsep.join(filter(None, [str(place), inherited.get("PYTHONPATH")]))
    done = subprocess.run(  # noqa: S603 (this interpreter, on code whose digest is in the signed records)
        [sys.executable, "-P", "-m", "assay.evidence.rejudge", str(folder)],
        env={**inherited, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        raise AssayError("\n  ".join(["the code of the time does not run with the libraries of today:", *last]))
    answer: dict[str, Any] = json.loads((folder / rejudge.ANSWER).read_bytes())
    if answer["code"] != archived_code(content):
        raise AssayError("another Assay came before the archived one on the module path; unset PYTHONPATH")
    return answer


def _compared(recorded: Verdict, answer: Mapping[str, Any]) -> Replayed:
    replayed = Verdict.from_dict(answer["verdicts"][recorded.gate])
    return Replayed(
        gate=recorded.gate,
        digest=recorded.digest,
        recorded=recorded.outcome,
        replayed=replayed.outcome,
        checks=len(recorded.checks),
        differences=tuple(differences(recorded, replayed)),
    )
