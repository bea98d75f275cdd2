"""The chain: its anchors, its records, and whether they stand on each other."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from assay.core import Event, Record, Verdict, sha256_json
from assay.evidence.judging import GATES
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted
from assay.evidence.waivers import Waiver
from assay.policy.tiers import TIERS
from assay.registry.sealed import FOLDER, file_name
from assay.registry.wire import list_files
from assay.rollout.shipping import disagreements, read_shipped

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
    named = {file_name(each.number, each.kind, each.digest) for each in case.anchors}
    stored = {f"{FOLDER}/{name}" for name in list_files(case.settings.tracking_uri, case.file(FOLDER))}
    notes = [
        f"{name} is named by no anchor: left by a write that never ended, and no evidence"
        for name in sorted(stored - named)
    ]
    return checked("records", f"{counted(len(case.anchors), 'record')}, each with its signature", found), notes


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
    training = case.training
    if row is not None and training is not None:
        wanted = {"version": case.version, "digest": training.facts["sha256"], "path": training.facts["path"]}
        found += _differing(f"rollout {row.id}", wanted, asdict(row.canary), tuple(wanted))
    notes = [f"the move {key} is not recorded yet" for key in moves]
    return checked("moves", counted(len(case.events("rollout")), "recorded move") + " of the traffic", found), notes


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
        case "registration":
            yield from _registered_otherwise(record, list(before.values()))
            waivers = {
                each.facts["id"] for each in before.values() if isinstance(each, Event) and each.event == "waiver"
            }
            for each in facts.get("waivers", ()):
                yield "" if each in waivers else f"names the waiver {each}, which was not recorded before"


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
    told = {
        "training": ("candidate", "sha256"),
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
