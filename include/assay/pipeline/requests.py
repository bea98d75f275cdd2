"""What a run was asked to do: recorded when it begins, and held against every later trigger of the same run id."""

from typing import Any

from assay.core import Problem, UserError, sha256_bytes
from assay.evidence.archive_files import archived_code, code_archive, environment, model_archive, recorded_version
from assay.evidence.requests import REQUEST, requesters
from assay.pipeline.run import LATEST, Run
from assay.policy import code_files, file_digests
from assay.registry.dossier import Dossier, EvidenceError

_MEND = "give the new run another run id"


def require_same(run: Run, dossier: Dossier) -> None:
    """Refuse a run whose dossier was begun for other parameters.

    Raises
    ------
    UserError
        Listing every parameter that differs from what was asked for under this run id before.
    """
    asked = dossier.events(REQUEST)
    if not asked:
        return
    facts = asked[0].facts
    taken = dossier.events("snapshot")
    before: dict[str, Any] = {"seed": facts["seed"], "reason": facts["reason"]}
    if "snapshot" in facts:
        before["snapshot"] = facts["snapshot"]
    elif taken and run.snapshot != LATEST:  # a dossier of an earlier release says only what was taken
        before["snapshot"] = taken[-1].facts["snapshot"]
    problems = [
        Problem(path=name, message=f"is {given!r}, but this run id was begun with {before[name]!r}", mend=_MEND)
        for name, given in (("snapshot", run.snapshot), ("seed", run.seed), ("reason", run.reason))
        if name in before and before[name] != given
    ]
    if problems:
        raise UserError(f"the run {run.run_key}", problems)


def record_request(run: Run, dossier: Dossier) -> None:
    """Record who asked for the run; the first request also keeps all that the run starts from."""
    asked = dossier.events(REQUEST)
    if not asked:
        _begin(run, dossier)
        return
    dossier.record(asked[-1])  # whoever recorded it may have been killed before it was shown
    if run.requester in [each.facts["requester"] for each in asked]:
        return
    facts = {**asked[0].facts, "requester": run.requester, "reason": run.reason}
    run.record(REQUEST, _operation(run.requester), facts)


def all_requesters(run: Run) -> list[str]:
    """Everybody who asked for the run: this trigger's requester, and those of all triggers before it."""
    names = requesters(run.seen)
    return names if run.requester is None or run.requester in names else [*names, run.requester]


def inputs(run: Run) -> dict[str, bytes]:
    """Everything that a replay needs beside the snapshot and the model, by where the run keeps it."""
    files = run.model_files
    shown = {name: files[name] for name in ("contract.json", "train.py", "datasheet.md") if name in files}
    return {
        "inputs/policy.yaml": run.folder.policy_bytes,
        **{f"inputs/{name}": content for name, content in shown.items()},
        "inputs/model.zip": model_archive(code_files(files)),
        "inputs/assay.zip": code_archive(),
    }


def _begin(run: Run, dossier: Dossier) -> None:
    """Keep all that the run starts from, then say so."""
    files = inputs(run)
    for name, content in files.items():
        dossier.store(name, content)
    digests, model_files = file_digests(files), file_digests(code_files(run.model_files))
    own = archived_code(files["inputs/assay.zip"])
    if recorded_version(own, {"model_files": model_files}) != run.code_version:
        raise EvidenceError(["the code on disk is not the code that runs; restart the worker and trigger a new run"])
    run.record(
        REQUEST,
        REQUEST,
        {
            "run_key": run.run_key,
            "requester": run.requester,
            "reason": run.reason,
            "snapshot": run.snapshot,
            "seed": run.seed,
            "risk_tier": run.folder.policy.risk_tier,
            "policy_sha256": run.folder.policy_sha256,
            "contract_sha256": digests["inputs/contract.json"],
            "train_sha256": digests["inputs/train.py"],
            "model_files": model_files,
            "code_version": run.code_version,
            "environment": environment(),
            "files": digests,
        },
    )


def _operation(requester: str | None) -> str:
    """Key of a later request; a name may be of any length and hold any character."""
    return f"{REQUEST}:" + ("schedule" if requester is None else sha256_bytes(requester.encode()))
