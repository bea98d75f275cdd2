"""The chain: its anchors, its records, and whether they stand on each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Event, Record, Verdict, sha256_json
from assay.evidence.judging import GATES
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted
from assay.evidence.waivers import Waiver
from assay.policy.tiers import TIERS
from assay.registry.images import HEAD
from assay.registry.live import read_run
from assay.registry.sealed import FOLDER, Sealed, file_name
from assay.registry.wire import get_files, list_files
from assay.rollout.shipping import disagreements, read_shipped

if TYPE_CHECKING:
    from assay.rollout.records import RolloutRow

CUT_OFF = "was anchored once, and no anchor names it any more: the table of anchors was cut short"
"""What is said of a record that `cut_off` finds."""

_TOLD = ("rollout_id", "epoch", "action", "from_stage", "to_stage", "run_key")


def check_anchors(case: Case) -> Check:
    """Whether the table of anchors is whole, and says of the dossier's records what they are."""
    found = [Finding(path="anchor table", message=doubt) for doubt in case.table.check()]
    records = {each.number: each.record for each in case.sealed}
    for anchor in case.anchors:
        record = records.get(anchor.number)
        wanted = {"model": case.model}
        if record is not None:
            operation = record.operation if isinstance(record, Event) else None
            wanted |= {"kind": record.kind, "operation": operation}  # type: ignore[dict-item]
        for name, value in wanted.items():
            if getattr(anchor, name) != value:
                message = f"says {getattr(anchor, name)!r}, the record {value!r}"
                found.append(Finding(path=f"anchor {anchor.seq}: {name}", message=message))
    last = case.table.last()
    about = f"{counted(last.seq if last else 0, 'anchor')}, {len(case.anchors)} of them of this dossier"
    return checked("anchors", about, found)


def check_shipped(case: Case, file: Path) -> tuple[Check, list[str]]:
    """Whether the anchors are those that were shipped, and what the file does not know yet.

    Raises
    ------
    UserError
        When there is no such file.
    """
    found = [Finding(path=f"{file}: {each.path}", message=each.message) for each in disagreements(case.table, file)]
    if found:
        return checked("shipped anchors", str(file), found), []
    shipped = read_shipped(file)
    known = sum(each.dossier == case.dossier.run_id for each in shipped)
    lacking = len(case.anchors) - known
    late = f"{file} does not hold {counted(lacking, 'record')} of this dossier yet: it cannot speak for them"
    about = f"{counted(len(shipped), 'anchor')} in {file}, {known} of them of this dossier"
    return checked("shipped anchors", about), [late] if lacking else []


def check_records(case: Case) -> tuple[Check, list[str]]:
    """Whether every record is what was anchored and signed, and which files nobody anchored."""
    found = []
    for doubt in case.doubts:
        path, _, message = doubt.partition(": ")
        found.append(Finding(path=path, message=message))
    if not case.anchors:
        found.append(Finding(path=FOLDER, message="no record of this run is anchored"))
    cut, left = cut_off(case)
    found += [Finding(path=name, message=CUT_OFF) for name in cut]
    notes = [f"{name} is named by no anchor: left by a write that never ended, and no evidence" for name in left]
    return checked("records", f"{counted(len(case.anchors), 'record')}, each with its signature", found), notes


def cut_off(case: Case) -> tuple[list[str], list[str]]:
    """Files of records that no anchor names.

    Returns
    -------
    cut, left
        Those that were anchored once, because a signed record continues them or the run's tag names them as its
        head, and both are written afterwards; and those that a write left behind which never ended.
    """
    named = {file_name(each.number, each.kind, each.digest) for each in case.anchors}
    stored = {f"{FOLDER}/{name}" for name in list_files(case.settings.tracking_uri, case.file(FOLDER))}
    left = sorted(stored - named)
    signed = _signed(case, left)
    if not signed:
        return [], left
    run = read_run(case.dossier.client, case.dossier.run_id)
    head = "" if run is None else run.tags.get(HEAD, "").partition(":")[2]
    continued = {head, *(each.record.previous for each in signed.values())}
    cut = [name for name, each in signed.items() if each.record.digest in continued]
    return cut, [name for name in left if name not in cut]


def _signed(case: Case, names: Sequence[str]) -> dict[str, Sealed]:
    """Those of the dossier's files that are records beyond the last anchor, signed by the platform at any time."""
    contents = get_files(case.settings.tracking_uri, [case.file(name) for name in names])
    found = {}
    for name in names:
        try:
            sealed = Sealed.read(contents[case.file(name)] or b"")
        except ValueError:
            continue
        beyond = sealed.dossier == case.dossier.run_id and sealed.number > len(case.anchors)
        if beyond and not sealed.doubt(case.dossier.keyring, seq=0):
            found[name] = sealed
    return found


def check_grounds(case: Case) -> Check:
    """Whether each record stands on those that it names."""
    found, count = [], 0
    digests: dict[str, Record] = {}
    for each in case.sealed:
        path = file_name(each.number, each.record.kind, each.record.digest)
        for wrong in _groundless(case, each.record, digests):
            count += 1
            found += [Finding(path=path, message=wrong)] if wrong else []
        digests[each.record.digest] = each.record
    if case.registration is None:
        found.append(Finding(path="registration", message=f"no record registers version {case.version}"))
    return checked("grounds", counted(count, "reference") + " from record to record", found)


def check_moves(case: Case) -> tuple[Check, list[str]]:
    """Whether the moves of the traffic are those that the dossier records, and which it does not record yet."""
    request = case.last("request")
    row = None if request is None else case.book.find(request.facts["run_key"])
    moves = {} if row is None else {m.op_key: m for m in case.book.history(case.model, rollout_id=row.id)}
    found = []
    for event in case.events("rollout"):
        path, move = f"move {event.operation}", moves.pop(event.operation, None)
        if move is None:
            found.append(Finding(path=path, message="is recorded, but not in the operations database"))
            continue
        made = {**asdict(move), "evidence_sha256": sha256_json(move.evidence), "moved_at": move.at}
        found += _differing(path, event.facts, made, (*_TOLD, "evidence_sha256", "moved_at"))
        head = move.evidence.get("head")
        if head is not None and head not in {record.digest for record in case.records}:
            found.append(Finding(path=f"{path}: head", message=f"is {head}, which no record has"))
    found += [] if row is None else _other_rollout(case, row)
    notes = [f"the move {key} is not recorded yet" for key in moves]
    return checked("moves", counted(len(case.events("rollout")), "recorded move") + " of the traffic", found), notes


def _other_rollout(case: Case, row: "RolloutRow") -> list[Finding]:
    """Where a rollout's row is not what its moves and the dossier say."""
    path = f"rollout {row.id}"
    story = {each.epoch: each.to_stage for each in case.book.history(case.model, rollout_id=row.id)}
    stage = story.get(row.epoch)
    found = []
    if stage != row.stage_name:
        found.append(Finding(path=f"{path}: state", message=f"is {row.stage_name!r}, by the moves {stage!r}"))
    training = case.training
    others = {int(each.facts["version"]) for each in case.events("registration")} - {case.version}
    if training is None or row.canary.version in others:  # a repeated training made another version, which went on
        return found
    wanted = {"version": case.version, "digest": training.facts["sha256"], "path": training.facts["path"]}
    return found + _differing(path, wanted, asdict(row.canary), tuple(wanted))


def _groundless(case: Case, record: Record, before: Mapping[str, Record]) -> Iterator[str]:
    """For each reference of a record, why it leads nowhere; empty where it leads where it should."""
    if isinstance(record, Verdict):
        yield from _about_something_else(case, record)
        return
    facts = record.facts
    for gate, digest in facts.get("verdicts", {}).items():
        verdict = before.get(digest)
        known = isinstance(verdict, Verdict) and verdict.gate == gate
        yield "" if known else f"names a verdict of {gate} that was not given before: {digest}"
    match record.event:
        case "approval_request":
            yield "" if facts["head"] in before else f"asks about a head that there was not: {facts['head']}"
        case "waiver":
            known = isinstance(before.get(facts["verdict"]), Verdict)
            yield "" if known else f"waives a verdict that was not given before: {facts['verdict']}"
            yield _unsigned(case, record)
        case "training":
            yield _unknown_model(before, facts.get("mitigates"))
        case "mitigation":
            yield from (_unknown_model(before, facts[name]) for name in ("from", "to"))
            known = isinstance(before.get(facts["verdict"]), Verdict)
            yield "" if known else f"answers to a verdict that was not given before: {facts['verdict']}"
        case "registration":
            yield from _registered_otherwise(record, list(before.values()))
            waivers = {
                each.facts["id"] for each in before.values() if isinstance(each, Event) and each.event == "waiver"
            }
            for each in facts.get("waivers", ()):
                yield "" if each in waivers else f"names the waiver {each}, which was not recorded before"


def _unknown_model(before: Mapping[str, Record], digest: str | None) -> str:
    made = {each.facts["sha256"] for each in before.values() if isinstance(each, Event) and each.event == "training"}
    return "" if digest is None or digest in made else f"names the model {digest}, which was not trained before"


def _about_something_else(case: Case, verdict: Verdict) -> Iterator[str]:
    request, snapshot = case.last("request"), case.last("snapshot")
    models = {None, *(each.facts["sha256"] for each in case.events("training"))}
    if request is not None and verdict.gate in GATES:
        same = verdict.policy_sha256 == request.facts["policy_sha256"]
        yield "" if same else f"is about the policy {verdict.policy_sha256}, not the run's"
    if snapshot is not None and verdict.gate in GATES:
        same = verdict.snapshot == snapshot.facts["snapshot"]
        yield "" if same else f"is about the snapshot {verdict.snapshot}, not the run's"
    yield "" if verdict.model in models else f"is about the model {verdict.model}, which this run did not train"


def _registered_otherwise(record: Event, before: list[Record]) -> Iterator[str]:
    """Where a registration says otherwise than the records that it follows from."""
    trained = [each.facts for each in before if isinstance(each, Event) and each.event == "training"]
    for name in ("candidate", "sha256"):  # not always the last one: a mitigation may have come to nothing
        known = [each[name] for each in trained]
        yield "" if record.facts[name] in known else f"says {name} {record.facts[name]!r}, the training {known}"
    told = {
        "request": ("policy_sha256", "code_version"),
        "snapshot": ("snapshot",),
    }
    for kind, names in told.items():
        events = [each for each in before if isinstance(each, Event) and each.event == kind]
        for name in names:
            said = events[-1].facts[name] if events else None
            yield "" if record.facts[name] == said else f"says {name} {record.facts[name]!r}, the {kind} {said!r}"


def _unsigned(case: Case, record: Event) -> str:
    waiver = Waiver.from_dict(record.facts)
    request = case.last("request")
    if request is None:
        return "is of a run whose risk tier is not known"
    seq = next(each.seq for each in case.anchors if each.digest == record.digest)
    made, tier = date.fromisoformat(waiver.made_at[:10]), TIERS[request.facts["risk_tier"]]
    reasons = waiver.doubts(case.dossier.keyring, tier, today=made, seq=seq)
    if record.facts["id"] != waiver.id:
        reasons.append(f"has the id {waiver.id}")
    return f"the waiver {record.facts['id']} {'; '.join(reasons)}" if reasons else ""


def _differing(path: str, wanted: Mapping[str, Any], found: Mapping[str, Any], names: tuple[str, ...]) -> list[Finding]:
    return [
        Finding(path=f"{path}: {name}", message=f"is {found[name]!r}, recorded {wanted[name]!r}")
        for name in names
        if found[name] != wanted[name]
    ]
