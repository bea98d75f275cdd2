"""The dossier: the signed and anchored chain of what was done and decided about one candidate."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from assay.core import (
    Anchor,
    Anchors,
    AnchorTakenError,
    AssayError,
    Event,
    Outcome,
    Record,
    Subject,
    UnavailableError,
    Verdict,
    fault_point,
)
from assay.registry.client import unavailable
from assay.registry.images import head_tag, run_tags, tags_of, version_tags
from assay.registry.keys import Keyring
from assay.registry.sealed import Sealed, check_chain, file_name
from assay.registry.signer_client import NotNextError
from assay.registry.wire import call, get_file, get_files, put_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

R = TypeVar("R", Verdict, Event)

BEFORE_TRAINING = frozenset({"contract"})
_TRIES = 50  # as many writers may come first


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
    tracking_uri
        Address of the MLflow server.
    run_id, location
        The MLflow run that holds the dossier, and where below the artifact root its files are.
    model
        Name of the model.
    anchors
        Where the digests of its records are kept beside.
    keyring
        The keys that sign records and check their signatures.
    """

    client: "MlflowClient"
    tracking_uri: str
    run_id: str
    location: str
    model: str
    anchors: Anchors = field(repr=False)
    keyring: Keyring = field(repr=False)
    _read: dict[str, bytes | None] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        put_file(self.tracking_uri, f"{self.location}/{name}", content)

    def read(self, name: str) -> bytes:
        """Read back what `store` kept.

        Raises
        ------
        EvidenceError
            When there is no such file.
        """
        content = get_file(self.tracking_uri, f"{self.location}/{name}")
        if content is None:
            raise EvidenceError([f"{name}: is missing from the run {self.run_id}"])
        return content

    def holds(self, name: str) -> bool:
        """Whether a file of this name is kept with the run."""
        return get_file(self.tracking_uri, f"{self.location}/{name}") is not None

    def head(self) -> str | None:
        """Digest of the last record; None before the first."""
        anchors = self.anchors.of(self.run_id)
        return anchors[-1].digest if anchors else None

    def check(self) -> tuple[list[Sealed], list[str]]:
        """The records that are what was anchored, oldest first, and a sentence for everything that is wrong.

        A file that was good is not read again through this object: a task looks at its chain several times.
        """
        anchors = self.anchors.of(self.run_id)
        paths = [f"{self.location}/{file_name(anchor.number, anchor.kind, anchor.digest)}" for anchor in anchors]
        files = self._read | get_files(self.tracking_uri, [path for path in paths if path not in self._read])
        sealed, doubts = check_chain(self.run_id, anchors, [files[path] for path in paths], self.keyring.now())
        if not doubts:
            self._read.update(files)
        return sealed, doubts

    def records(self) -> list[Record]:
        """The chain, oldest first; every digest, link, signature and anchor checked.

        Raises
        ------
        EvidenceError
            When a record was changed, or one is missing.
        """
        sealed, doubts = self.check()
        if doubts:
            raise EvidenceError(doubts)
        return [each.record for each in sealed]

    def verdicts(self) -> list[Verdict]:
        """The verdicts of the chain, oldest first."""
        return [record for record in self.records() if isinstance(record, Verdict)]

    def events(self, kind: str | None = None) -> list[Event]:
        """The events of the chain, or those of one kind, oldest first."""
        return [each for each in self.records() if isinstance(each, Event) and kind in (None, each.event)]

    def append(self, verdict: Verdict, *, candidate: str | None = None, version: int | None = None) -> Verdict:
        """Write a verdict at the end of the chain, and its outcome as a tag.

        Parameters
        ----------
        candidate, version
            The LoggedModel, or once there is one the registered version, that shows the tag too.

        Returns
        -------
        Verdict
            With its attempt number and the digest of the record before it.
        """

        def placed(anchors: Sequence[Anchor]) -> Verdict:
            attempt = 1 + sum(anchor.kind == verdict.gate for anchor in anchors)
            return verdict.numbered(attempt=attempt, previous=anchors[-1].digest if anchors else None)

        return self._add(self.anchors.of(self.run_id), placed, None, candidate, version)

    def record(self, event: Event, *, candidate: str | None = None, version: int | None = None) -> Event:
        """Write an event at the end of the chain, unless its operation stands there already.

        Returns
        -------
        Event
            As it stands in the chain; an earlier one when the operation was repeated.
        """
        anchors = self.anchors.of(self.run_id)
        if earlier := _done(anchors, event.operation):
            return self._repeated(earlier, version)
        return self._add(
            anchors,
            lambda chain: event.after(chain[-1].digest if chain else None),
            event.operation,
            candidate,
            version,
        )

    def show(self, *, version: int) -> None:
        """Set whatever tag of the run or of a version is not what the chain says.

        Whoever was killed between a record and its tags left some behind.
        """
        records = self.records()
        self.tag(run_tags(records))
        with unavailable(f"reading version {version}"):
            live = self.client.get_model_version(self.model, str(version)).tags
        wanted = version_tags(records, self.run_id, version)
        self._tag_version(version, {key: value for key, value in wanted.items() if live.get(key) != value})

    def require(
        self, gates: Sequence[str], subject: Subject, *, reviewed: Collection[str] = (), waived: Collection[str] = ()
    ) -> list[Verdict]:
        """The latest verdict of each gate, all of them good; see `doubts`.

        Raises
        ------
        EvidenceError
            Listing every reason why not.
        """
        verdicts, reasons = doubts(self.records(), gates, subject, reviewed=reviewed, waived=waived)
        if reasons:
            raise EvidenceError(reasons)
        return verdicts

    def _add(
        self,
        anchors: Sequence[Anchor],
        placed: Callable[[Sequence[Anchor]], R],
        operation: str | None,
        candidate: str | None,
        version: int | None,
    ) -> R:
        """Store, anchor, tag, in this order: what no anchor names was never finished and is no evidence."""
        for _ in range(_TRIES):
            record, number = placed(anchors), len(anchors) + 1
            try:
                sealed = Sealed.make(self.run_id, number, record, self.keyring.now())
            except NotNextError:
                known, anchors = anchors, self.anchors.of(self.run_id)
                if len(anchors) == len(known):  # nobody came first: the signer reads other anchors than we do
                    raise
                if earlier := _done(anchors, operation):
                    return self._repeated(earlier, version)  # type: ignore[return-value]  # as below
                continue
            self.store(file_name(number, record.kind, record.digest), sealed.to_bytes())
            fault_point(f"{record.kind}.stored")
            if sealed.doubt(self.keyring.now()):  # the key was rotated out while the file was on its way
                continue
            try:
                self.anchors.add(
                    dossier=self.run_id,
                    model=self.model,
                    number=number,
                    kind=record.kind,
                    operation=operation,
                    digest=record.digest,
                )
            except AnchorTakenError:
                anchors = self.anchors.of(self.run_id)
                if earlier := _done(anchors, operation):
                    return self._repeated(earlier, version)  # type: ignore[return-value]  # only events have operations
                continue
            fault_point(f"{record.kind}.anchored")
            self._show(record, number, candidate, version)
            fault_point(f"{record.kind}.tagged")
            return record
        raise UnavailableError(f"dossier {self.run_id}: {_TRIES} other writers came first; try again")

    def _repeated(self, anchor: Anchor, version: int | None) -> Event:
        """The event that stands at an anchor; whoever wrote it may have been killed before it was tagged."""
        records = self.records()
        found = records[anchor.number - 1]
        assert isinstance(found, Event)
        tags = run_tags(records)
        self.tag(tags)
        if version is not None:  # what the tags say by now, which a later record may have changed
            self._tag_version(version, {key: tags[key] for key in tags_of(found)})
        return found

    def _show(self, record: Record, number: int, candidate: str | None, version: int | None) -> None:
        tags = tags_of(record)
        self.tag(tags | head_tag(number, record.digest))
        if version is not None:
            self._tag_version(version, tags)
        elif candidate is not None and tags:
            listed = [{"key": key, "value": value} for key, value in tags.items()]
            call(self.tracking_uri, "PATCH", f"logged-models/{candidate}/tags", {"tags": listed})

    def _tag_version(self, version: int, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            body = {"name": self.model, "version": str(version), "key": key, "value": value}
            call(self.tracking_uri, "POST", "model-versions/set-tag", body)


def _done(anchors: Sequence[Anchor], operation: str | None) -> Anchor | None:
    """The anchor of the event that did this operation; None when nothing has."""
    return next((each for each in anchors if operation and each.operation == operation), None)


def doubts(
    records: Sequence[Record],
    gates: Sequence[str],
    subject: Subject,
    *,
    reviewed: Collection[str] = (),
    waived: Collection[str] = (),
) -> tuple[list[Verdict], list[str]]:
    """Check that every gate has passed for these very digests, each on top of those before it.

    Parameters
    ----------
    records
        A dossier's chain.
    gates
        What must have been shown, in this order: a gate that was judged again leaves whatever
        was judged on top of its earlier verdict, an approval above all, without a ground.
    subject
        What it must have been shown for; a verdict from before training names no model.
    reviewed
        Gates whose INCONCLUSIVE goes on to a person, as the policy says.
    waived
        Digests of verdicts whose every failing check has a waiver that counts now.

    Returns
    -------
    verdicts, reasons
        The latest verdict of each gate that has one; and every verdict that is missing, not good
        enough, too old, or about something else.
    """
    chain = [record for record in records if isinstance(record, Verdict)]
    own = {None, subject.model}  # a run may have judged several candidates: each stands on its own verdicts
    last = {each.gate: position for position, each in enumerate(chain) if each.model not in own}
    last |= {each.gate: position for position, each in enumerate(chain) if each.model in own}
    reasons = []
    for position, gate in enumerate(gates):
        if gate not in last:
            reasons.append(f"{gate}: no verdict")
            continue
        verdict = chain[last[gate]]
        excused = verdict.outcome is Outcome.INCONCLUSIVE and gate in reviewed
        reasons += _doubts(verdict, subject, excused=excused or verdict.digest in waived)
        newer = [before for before in gates[:position] if last.get(before, -1) > last[gate]]
        if newer:
            reasons.append(f"{gate}: its verdict is older than that of {', '.join(newer)}")
    return [chain[last[gate]] for gate in gates if gate in last], reasons


def _doubts(verdict: Verdict, subject: Subject, *, excused: bool) -> list[str]:
    """Why a verdict does not let `subject` through."""
    gate, reasons = verdict.gate, []
    if verdict.outcome is not Outcome.PASS and not excused:
        reasons.append(f"{gate}: its verdict is {verdict.outcome}")
    for part in ("policy_sha256", "snapshot", "model"):
        seen, wanted = getattr(verdict, part), getattr(subject, part)
        if seen != wanted and not (part == "model" and seen is None and gate in BEFORE_TRAINING):
            reasons.append(f"{gate}: its verdict is about another {part}: {seen}, not {wanted}")
    return reasons
