"""The dossier: the hash chain of a run's verdicts, kept with its MLflow run and its candidate."""

import json
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core import AssayError, Outcome, Settings, Subject, Verdict, canonical_json, sha256_bytes
from assay.registry.client import connect, has_code, unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_KEY, POLICY, SNAPSHOT, CANDIDATE, CANDIDATE_SHA256, HEAD = (
    f"assay.{name}" for name in ("run_key", "policy_sha256", "snapshot", "candidate", "candidate_sha256", "head")
)
_FOLDER = "dossier"


class EvidenceError(AssayError):
    """What a task needs to have been shown before it has not been, or is about something else."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("the dossier does not allow this step:\n" + "\n".join(f"  {reason}" for reason in reasons))


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One run's evidence in MLflow.

    Attributes
    ----------
    client
        Connected MLflow client.
    run_id
        The MLflow run that holds the dossier.
    model
        Name of the model.
    """

    client: "MlflowClient"
    run_id: str
    model: str

    def tags(self) -> dict[str, str]:
        """The tags of the run, read now."""
        with unavailable(f"reading the run {self.run_id}"):
            return dict(self.client.get_run(self.run_id).data.tags)

    def tag(self, values: Mapping[str, str]) -> None:
        """Set tags on the run in one call."""
        from mlflow.entities import RunTag

        with unavailable(f"tagging the run {self.run_id}"):
            self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in values.items()])

    def store(self, name: str, content: bytes) -> None:
        """Keep a file with the run, beside the chain."""
        folder, _, file = name.rpartition("/")
        with unavailable(f"storing {name}"), tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / file
            path.write_bytes(content)
            self.client.log_artifact(self.run_id, str(path), folder or None)

    def read(self, name: str) -> bytes:
        """Read back what `store` kept."""
        with unavailable(f"reading {name}"), tempfile.TemporaryDirectory() as scratch:
            return Path(self.client.download_artifacts(self.run_id, name, scratch)).read_bytes()

    def holds(self, name: str) -> bool:
        """Whether a file or folder of this name is kept with the run."""
        with unavailable(f"looking for {name}"):
            found = self.client.list_artifacts(self.run_id, name.rpartition("/")[0] or None)
        return any(entry.path == name for entry in found)

    def verdicts(self) -> list[Verdict]:
        """The chain, oldest first, every digest and link checked.

        Raises
        ------
        EvidenceError
            When a record was changed, or one is missing.
        """
        records = {}
        if self.holds(_FOLDER):
            with unavailable("reading the dossier"), tempfile.TemporaryDirectory() as scratch:
                folder = Path(self.client.download_artifacts(self.run_id, _FOLDER, scratch))
                records = {path.name: path.read_bytes() for path in folder.iterdir()}
        try:
            return _chain(records, self.tags().get(HEAD))
        except (KeyError, TypeError, ValueError) as error:  # a file put there by other hands
            raise EvidenceError([f"{_FOLDER}: holds a file that is no verdict: {error}"]) from None

    def append(self, verdict: Verdict) -> Verdict:
        """Write a verdict at the end of the chain, and its outcome as a tag on run and candidate.

        The file is written first: a task killed before the tags are set leaves a record that the
        next reader finds, and the next writer continues from.

        Returns
        -------
        Verdict
            With its attempt number and the digest of the verdict before it.
        """
        chain = self.verdicts()
        attempt = 1 + sum(each.gate == verdict.gate for each in chain)
        verdict = verdict.numbered(attempt=attempt, previous=chain[-1].digest if chain else None)
        content = canonical_json(verdict.to_dict())
        digest = sha256_bytes(content)
        self.store(f"{_FOLDER}/{len(chain) + 1:04d}-{verdict.gate}-{digest}.json", content)
        tags = {HEAD: f"{len(chain) + 1}:{digest}", f"assay.verdict.{verdict.gate}": f"{verdict.outcome} {digest}"}
        self.tag(tags)
        candidate = self.tags().get(CANDIDATE)
        if candidate:
            with unavailable("tagging the candidate"):
                self.client.set_logged_model_tags(candidate, tags)
        return verdict

    def require(self, gates: Sequence[str], subject: Subject, *, reviewed: Collection[str] = ()) -> list[Verdict]:
        """Check that every gate has passed for these very digests, each on top of those before it.

        Parameters
        ----------
        gates
            What must have been shown, in this order: a gate that was judged again leaves whatever
            was judged on top of its earlier verdict, an approval above all, without a ground.
        subject
            What it must have been shown for; a verdict from before training names no model.
        reviewed
            Gates whose INCONCLUSIVE goes on to a person, as the policy says.

        Returns
        -------
        list of Verdict
            The latest verdict of each gate.

        Raises
        ------
        EvidenceError
            Listing every verdict that is missing, not good enough, too old, or about something else.
        """
        chain = self.verdicts()
        last = {verdict.gate: position for position, verdict in enumerate(chain)}
        reasons = []
        for position, gate in enumerate(gates):
            if gate not in last:
                reasons.append(f"{gate}: no verdict")
                continue
            reasons += _doubts(chain[last[gate]], subject, inconclusive_goes_on=gate in reviewed)
            newer = [before for before in gates[:position] if last.get(before, -1) > last[gate]]
            if newer:
                reasons.append(f"{gate}: its verdict is older than that of {', '.join(newer)}")
        if reasons:
            raise EvidenceError(reasons)
        return [chain[last[gate]] for gate in gates]


BEFORE_TRAINING = frozenset({"contract"})


def open_dossier(settings: Settings, *, model: str, run_key: str, facts: Mapping[str, str]) -> Dossier:
    """Find the dossier of an orchestrator's run, or begin it.

    Parameters
    ----------
    model
        Its experiment is ``assay/<model>``.
    run_key
        Names the orchestrator's run; opening twice gives the same dossier.
    facts
        Tags for a new dossier, such as who asked for the run and why.
    """
    dossier = _find(settings, model, run_key)
    if dossier is not None:
        return dossier
    client = connect(settings)
    with unavailable("beginning a dossier"):
        run = client.create_run(
            _experiment(client, model, create=True) or "",
            run_name=run_key.rpartition("/")[2],
            tags={**facts, RUN_KEY: run_key, "assay.run_key_sha256": sha256_bytes(run_key.encode())},
        )
    return Dossier(client=client, run_id=run.info.run_id, model=model)


def find_dossier(settings: Settings, *, model: str, run_key: str) -> Dossier:
    """Find the dossier of an orchestrator's run.

    Raises
    ------
    EvidenceError
        When the run has none: its first task did not run.
    """
    dossier = _find(settings, model, run_key)
    if dossier is None:
        raise EvidenceError([f"{run_key}: has no dossier, the task snapshot has not run"])
    return dossier


def load_dossier(settings: Settings, *, run_id: str) -> Dossier:
    """Open the dossier that an MLflow run holds.

    Raises
    ------
    EvidenceError
        When there is no such run, or it is not one of Assay's.
    """
    client = connect(settings)
    from mlflow.exceptions import MlflowException

    with unavailable(f"reading the run {run_id}"):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if not has_code(error, "RESOURCE_DOES_NOT_EXIST"):
                raise
            raise EvidenceError([f"{run_id}: no such run"]) from None
        if RUN_KEY not in run.data.tags:
            raise EvidenceError([f"{run_id}: is not a run of Assay"])
        model = client.get_experiment(run.info.experiment_id).name.removeprefix("assay/")
    return Dossier(client=client, run_id=run_id, model=model)


def _find(settings: Settings, model: str, run_key: str) -> Dossier | None:
    client = connect(settings)
    with unavailable("looking for the dossier"):
        experiment = _experiment(client, model, create=False)
        if experiment is None:
            return None
        wanted = sha256_bytes(run_key.encode())  # a run id may hold any character; its digest needs no quoting
        runs = client.search_runs([experiment], f"tags.`assay.run_key_sha256` = '{wanted}'", max_results=2)
    if len(runs) > 1:
        raise EvidenceError([f"{run_key}: has {len(runs)} dossiers, one was made by other hands"])
    return Dossier(client=client, run_id=runs[0].info.run_id, model=model) if runs else None


def _experiment(client: "MlflowClient", model: str, *, create: bool) -> str | None:
    from mlflow.exceptions import MlflowException

    name = f"assay/{model}"
    found = client.get_experiment_by_name(name)
    if found is None and create:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:  # another process may have made it in between
            if not has_code(error, "RESOURCE_ALREADY_EXISTS"):
                raise
            found = client.get_experiment_by_name(name)
    return None if found is None else str(found.experiment_id)


def _doubts(verdict: Verdict, subject: Subject, *, inconclusive_goes_on: bool) -> list[str]:
    """Why a verdict does not let `subject` through."""
    gate, reasons = verdict.gate, []
    if verdict.outcome is not Outcome.PASS and not (inconclusive_goes_on and verdict.outcome is Outcome.INCONCLUSIVE):
        reasons.append(f"{gate}: its verdict is {verdict.outcome}")
    for part in ("policy_sha256", "snapshot", "model"):
        seen, wanted = getattr(verdict, part), getattr(subject, part)
        if seen != wanted and not (part == "model" and seen is None and gate in BEFORE_TRAINING):
            reasons.append(f"{gate}: its verdict is about another {part}: {seen}, not {wanted}")
    return reasons


def _chain(records: Mapping[str, bytes], head: str | None) -> list[Verdict]:
    whole = {name for name, content in records.items() if sha256_bytes(content) == _digest_in(name)}
    present = {_number(name) for name in whole}
    for name in sorted(records.keys() - whole):
        # a kill while a record was written leaves a torn one; its number is then free, or was written again
        if _number(name) <= _length(head) and _number(name) not in present:
            raise EvidenceError([f"{_FOLDER}/{name}: was changed after it was written"])
    chain: list[Verdict] = []
    for name in sorted(whole):
        verdict = Verdict.from_dict(json.loads(records[name]))
        if _number(name) != len(chain) + 1 or verdict.previous != (chain[-1].digest if chain else None):
            raise EvidenceError([f"{_FOLDER}/{name}: does not continue the record before it"])
        chain.append(verdict)
    if len(chain) < _length(head):
        raise EvidenceError([f"{_FOLDER}: holds {len(chain)} records where its head names {_length(head)}"])
    if head is not None and chain[_length(head) - 1].digest != head.partition(":")[2]:
        raise EvidenceError([f"{_FOLDER}: does not match its head"])
    return chain


def _length(head: str | None) -> int:
    return int(head.partition(":")[0]) if head else 0


def _number(name: str) -> int:
    return int(name[:4])


def _digest_in(name: str) -> str:
    return name.removesuffix(".json").rpartition("-")[2]
