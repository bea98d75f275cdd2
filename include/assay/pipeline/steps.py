"""What the tasks from snapshot to model card do. Each may be killed at any instant and run again."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core import Judgement, UserError, fault_point
from assay.evidence import course
from assay.evidence.judging import judge_gate
from assay.evidence.opening import archive, model_lock, rollouts, snapshots_lock
from assay.pipeline.gating import (
    fairness_gate,
    mitigated_fairness_gate,
    mitigated_performance_gate,
    performance_gate,
    robustness_gate,
)
from assay.pipeline.requests import record_request, require_same
from assay.pipeline.run import LATEST, Run
from assay.pipeline.telling import counted, telling
from assay.pipeline.training import (
    candidate,
    mitigated_candidate,
    mitigation,
    mitigation_rows,
    training,
    training_rows,
)
from assay.registry.images import version_tags

if TYPE_CHECKING:
    from assay.data.snapshots import Snapshot

log = logging.getLogger(__name__)

_REMEMBERED = 10  # earlier snapshots that a new one is compared with

GATES = course.CANDIDATE_GATES

__all__ = [
    "candidate",
    "data_validation",
    "fairness_gate",
    "mitigated_candidate",
    "mitigated_fairness_gate",
    "mitigated_performance_gate",
    "mitigation",
    "mitigation_rows",
    "model_card",
    "performance_gate",
    "registration",
    "robustness_gate",
    "snapshot",
    "training",
    "training_rows",
]


def snapshot(run: Run) -> dict[str, Any]:
    """Fix the data, a new snapshot of the source or the one that was asked for, and begin the dossier."""
    from assay.rollout.exclusive import exclusive

    taken = _take_snapshot(run)  # first: data that cannot be used leave nothing behind
    dossier = archive(run.settings).open(model=run.folder.policy.model, run_key=run.run_key)
    record_request(run, dossier)
    fault_point("snapshot.taken")
    facts = {
        "snapshot": taken.id,
        "rows": taken.rows,
        "manifest_sha256": taken.manifest_sha256,
        **{key: taken.manifest[key] for key in ("content_sha256", "table_version")},
        **_own(run, taken.takings[-1]),
        "history": _history(run, taken),
        **_quarantine(run, taken),
    }
    lock = snapshots_lock(run.folder.policy.model)
    with exclusive(rollouts(run.settings).engine, lock):  # from here on nobody deletes what the run needs
        _require_rows(taken)
        run.record("snapshot", "snapshot", {**facts, **_reference(run, taken)})
    log.info("snapshot %s: %s rows", taken.id, f"{taken.rows:,}")
    return {"snapshot": taken.id, "rows": taken.rows, "dossier": dossier.run_id}


def data_validation(run: Run) -> dict[str, Any]:
    """Hold the snapshot to its data contract."""
    run.require(trained=False)

    def judge() -> Judgement:
        with telling("the contract gate") as report:
            return judge_gate(run.compared(), "contract", report=report)

    verdict = run.decide("contract", judge, trained=False)
    return {"verdict": verdict.digest}


def registration(run: Run) -> dict[str, Any]:
    """Make the candidate a registered version that carries every verdict."""
    from assay.registry.versions import register
    from assay.rollout.exclusive import exclusive

    verdicts = run.require("contract", *GATES)
    model, candidate = run.folder.policy.model, run.candidate
    with exclusive(rollouts(run.settings).engine, model_lock(model)):
        tags = version_tags(run.dossier.records(), run.dossier.run_id)
        version = register(run.settings, run.dossier, candidate, tags)
        run.record(
            "registration",
            f"registration:{candidate.digest}",
            {
                "version": version,
                "candidate": candidate.model_id,
                "sha256": candidate.digest,
                "policy_sha256": run.folder.policy_sha256,
                "snapshot": run.snapshot_id,
                "code_version": run.code_version,
                "verdicts": {verdict.gate: verdict.digest for verdict in verdicts},
            },
        )
    log.info("registered %s version %d", model, version)
    return {"version": version}


def model_card(run: Run) -> dict[str, Any]:
    """Write the version's model card and datasheet from its dossier, for whoever is asked to approve it."""
    from assay.evidence.card.store import write_card
    from assay.evidence.stored import Stored

    run.require("contract", *GATES)
    stored = Stored.of(archive(run.settings), run.dossier)
    facts = write_card(stored, replace(run.case, onnx=run.onnx))
    run.record("card", f"card:{facts['number']}", facts)
    log.info("model card %d: %d of %d questions are open", facts["number"], facts["blanks"], facts["questions"])
    return {"card": facts["number"], "blanks": facts["blanks"]}


def _take_snapshot(run: Run) -> "Snapshot":
    """The snapshot that the run has taken already, else the one that it is to take."""
    from assay.data.snapshots import create_snapshot, open_snapshot
    from assay.evidence.quarantine import sieve_of

    policy, root, wanted = run.folder.policy, run.settings.snapshots, run.snapshot
    begun = archive(run.settings).begun(model=policy.model, run_key=run.run_key)
    if begun is not None and begun.events("request"):
        require_same(run, begun)
        run.require(trained=False)  # refuses a run that is repeated under another policy or other code
        earlier = begun.events("snapshot")
        wanted = str(earlier[-1].facts["snapshot"]) if earlier else wanted
    if wanted == LATEST:
        with telling("the snapshot") as report:
            progress = counted(report)
            return create_snapshot(
                source=policy.data.source,
                base=run.folder.path,
                data=policy.data,
                model=policy.model,
                root=root,
                sources=run.settings.source_roots,
                sieve=sieve_of(policy, run.folder.contract, progress),
                progress=progress,
            )
    return open_snapshot(root=root, model=policy.model, snapshot_id=wanted)


def _require_rows(taken: "Snapshot") -> None:
    """See that nobody has deleted the rows since they were taken or opened."""
    from assay.data.tombstones import find

    if (tombstone := find(taken.folder, taken.id, taken.manifest_sha256)) is not None:
        raise UserError(taken.id, [tombstone.problem])


def _quarantine(run: Run, taken: "Snapshot") -> dict[str, Any]:
    """What was set aside of the rows that were read, where the policy asks for it."""
    from assay.evidence.quarantine import sifted_before

    folder = run.folder
    sifted = sifted_before(taken, folder.policy, folder.contract, run.settings.snapshots)
    if sifted is None:
        return {}
    counts = (f"{each:,}" for each in (sifted.read, sifted.bad, sifted.set_aside))
    log.info("quarantine: of %s rows %s are bad and %s set aside", *counts)
    return {"quarantine": sifted.facts()}


def _own(run: Run, taking: Mapping[str, Any]) -> dict[str, Any]:
    """How the rows of this run were taken, and what this run uses them for: not what an earlier taking said."""
    data = run.folder.policy.data
    split = {"by": "random", "test": data.holdout} if data.split is None else data.split.model_dump(mode="json")
    return {
        "source": taking["source"],
        "source_sha256": taking["source_sha256"],
        "taking": dict(taking),
        "purpose": data.purpose,
        "split": split,
    }


def _reference(run: Run, taken: "Snapshot") -> dict[str, Any]:
    """The snapshot that the champion was made from, and if there is none any more, what became of it.

    None where nothing serves, or what serves came from this one.
    """
    from assay.data.snapshots import list_snapshots

    model = run.folder.policy.model
    current = rollouts(run.settings).current(model)
    if current is None or current.champion is None:
        return {"reference": None}
    version = current.champion.version
    made = archive(run.settings).of_version(model, version).events("registration")
    found = [str(event.facts["snapshot"]) for event in made if event.facts["version"] == version]
    if not found or found[-1] == taken.id:
        return {"reference": None}
    known = {each.id: each.tombstone for each in list_snapshots(run.settings.snapshots, model)}
    tombstone = known.get(found[-1])  # what is gone without one, the gate that reads it will name
    if tombstone is None:
        return {"reference": found[-1]}
    lost = f"nothing tells how far the data are from those of version {version}, {found[-1]}"
    return {"reference": None, "reference_lost": f"{lost}: {tombstone.sentence}"}


def _history(run: Run, taken: "Snapshot") -> list[dict[str, Any]]:
    """What there is to know of the snapshots before this one, the oldest first."""
    from assay.data.snapshots import list_snapshots
    from assay.data.takings import taken_at

    known = list_snapshots(run.settings.snapshots, run.folder.policy.model)
    now = taken_at(taken.takings[-1])
    earlier = [
        (max(before), each)
        for each in known
        if each.id != taken.id and (before := [when for one in each.takings if (when := taken_at(one)) < now])
    ]
    return [
        {"rows": each.rows, "taken_at": when.isoformat(), "newest": (each.manifest.get("time") or {}).get("to")}
        for when, each in sorted(earlier, key=lambda pair: pair[0])[-_REMEMBERED:]
    ]
