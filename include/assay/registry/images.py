"""The tags that a dossier's records give: an index for people and searches, and nothing that proves anything.

The pipeline writes them and whoever verifies compares them, both from here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from assay.core import Event, Record, Verdict, sha256_bytes

(
    RUN_KEY, RUN_KEY_SHA256, POLICY, SNAPSHOT, CODE, SEED, REQUESTER, REASON, CANDIDATE, CANDIDATE_SHA256, VERSION,
    DOSSIER, ROLLOUT, RETIRED, HEAD, INCIDENT,
) = (
    f"assay.{name}"
    for name in (
        "run_key", "run_key_sha256", "policy_sha256", "snapshot", "code_version", "seed", "requester", "reason",
        "candidate", "candidate_sha256", "version", "dossier", "rollout", "retired", "head",
        "incident",
    )
)  # fmt: skip
OURS = "assay."
VERDICT, WAIVER = f"{OURS}verdict.", f"{OURS}waiver."

_SUBJECT = (POLICY, SNAPSHOT, CODE, CANDIDATE, CANDIDATE_SHA256)
_LATER = (ROLLOUT, RETIRED)
_LONGEST, _LONGEST_KEY = 4000, 250  # MLflow's database cuts nothing, it refuses

SCHEDULE = "(schedule)"
"""Shown as the requester of a run that nobody asked for."""


def run_key_tags(run_key: str) -> dict[str, str]:
    """What a dossier is found by: a run id may hold any character, its digest needs no quoting."""
    return {RUN_KEY: run_key, RUN_KEY_SHA256: sha256_bytes(run_key.encode())}


def tags_of(record: Record) -> dict[str, str]:
    """The tags that one record sets."""
    if isinstance(record, Verdict):
        return {f"{VERDICT}{record.gate}": f"{record.outcome} {record.digest}"}
    return _event_tags(record)


def head_tag(number: int, digest: str) -> dict[str, str]:
    """The tag that names the last record."""
    return {HEAD: f"{number}:{digest}"}


def incident_tags(incidents: Iterable[int]) -> dict[str, str]:
    """The one tag that stands for no record: the ids of the incidents of a version that are open, if any."""
    ids = sorted(incidents)
    return {INCIDENT: ",".join(map(str, ids))} if ids else {}


def run_tags(records: Sequence[Record]) -> dict[str, str]:
    """Every tag of Assay's that the dossier's run must have."""
    tags = _merged(records)
    return tags | head_tag(len(records), records[-1].digest) if records else {}


def candidate_tags(records: Sequence[Record]) -> dict[str, str]:
    """Every tag of Assay's that the latest candidate must have: what it is, and the verdicts about it.

    What is decided once there is a version is shown with the version.
    """
    trained = _last(records, "training")
    if trained is None:
        return {}
    made = records[trained]
    assert isinstance(made, Event)
    before = records[: _first(records, "registration")]
    about = {each.digest for each in before if isinstance(each, Verdict) and each.model == made.facts["sha256"]}
    shown = [each for each in before if _verdict(each) in about]
    return _picked(_merged(records[: trained + 1]), (POLICY, SNAPSHOT, CODE, CANDIDATE_SHA256)) | _merged(shown)


def version_tags(records: Sequence[Record], dossier: str, version: int | None = None) -> dict[str, str]:
    """Every tag of Assay's that the version registered from these records must have.

    Parameters
    ----------
    dossier
        The run that holds the records.
    version
        Which one, where the run, its training done again, registered several; the latest by default.
    """
    places = {
        int(record.facts["version"]): place
        for place, record in enumerate(records)
        if isinstance(record, Event) and record.event == "registration"
    }
    number = max(places, default=None) if version is None else version
    own = None if number is None else places.get(number)
    next_one = min((place for place in places.values() if own is not None and place > own), default=len(records))
    later = _merged([each for each in records[:next_one] if _about(each) is None])
    later |= _merged([each for each in records if number is not None and _about(each) == number])
    judged = {key: value for key, value in later.items() if key.startswith((VERDICT, WAIVER))}
    until = None if own is None else own + 1
    return {DOSSIER: dossier} | _picked(_merged(records[:until]), _SUBJECT) | _picked(later, _LATER) | judged


def _event_tags(event: Event) -> dict[str, str]:
    facts = event.facts
    match event.event:
        case "request":
            return run_key_tags(facts["run_key"]) | {
                POLICY: facts["policy_sha256"],
                CODE: facts["code_version"],
                SEED: str(facts["seed"]),
                REQUESTER: facts["requester"] or SCHEDULE,
                REASON: facts["reason"],
            }
        case "snapshot":
            return {SNAPSHOT: facts["snapshot"]}
        case "training":
            return {CANDIDATE: facts["candidate"], CANDIDATE_SHA256: facts["sha256"]}
        case "waiver":
            name = ".".join(filter(None, [facts["gate"], facts["check"], facts["attribute"]]))
            return {_key(f"{WAIVER}{name}"): f"{facts['id']} until {facts['expires']}"}
        case "registration":
            return {
                VERSION: str(facts["version"]), CANDIDATE: facts["candidate"], CANDIDATE_SHA256: facts["sha256"],
            }  # fmt: skip
        case "rollout":
            return {ROLLOUT: facts["to_stage"]}
        case "retirement":
            return {RETIRED: str(facts["reason"])[:_LONGEST]}
    return {}


def _key(name: str) -> str:
    """A name that MLflow takes as a tag's: columns may be called anything."""
    plain = re.sub(r"[^\w.\- :]", "_", name.replace("*", "_x_"))
    if len(plain) <= _LONGEST_KEY:
        return plain
    digest = sha256_bytes(name.encode())[:16]
    return f"{plain[: _LONGEST_KEY - len(digest) - 1]}.{digest}"


def _merged(records: Sequence[Record]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for record in records:
        tags |= tags_of(record)
    return tags


def _picked(tags: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    return {key: tags[key] for key in keys if key in tags}


def _verdict(record: Record) -> str | None:
    """The verdict that a record is, or is about."""
    return record.digest if isinstance(record, Verdict) else record.facts.get("verdict")


def _about(record: Record) -> int | None:
    """The version that a record says it is about, where it may come long after another was registered."""
    if isinstance(record, Event) and record.event in ("rollout", "retirement"):
        return int(record.facts["version"])
    return None


def _first(records: Sequence[Record], kind: str) -> int | None:
    return next((place for place, record in enumerate(records) if record.kind == kind), None)


def _last(records: Sequence[Record], kind: str) -> int | None:
    return next((place for place in reversed(range(len(records))) if records[place].kind == kind), None)
