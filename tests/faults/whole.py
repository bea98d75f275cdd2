"""What is not as it should be after a run came to its end, whatever was killed on the way."""

from collections import Counter
from collections.abc import Iterator

from assay.core import Event
from assay.evidence.audit import audit
from assay.evidence.opening import archive, rollouts
from assay.evidence.verify import verify
from assay.pipeline.run import Run
from assay.registry.archive import Archive
from assay.registry.images import candidate_tags, run_tags, version_tags
from assay.rollout.anchors import AnchorTable

ONCE = ("request", "snapshot", "training", "registration")
PASSED = ("contract", "performance", "fairness", "robustness", "approval", "canary")


def wrong(run: Run, *, inspect: bool) -> list[str]:
    """In words; empty when there is one version, a whole chain, one champion and every tag.

    To `inspect` is to verify and audit as well, which must find nothing.
    """
    dossiers = archive(run.settings)
    dossier = dossiers.find(model=run.folder.policy.model, run_key=run.run_key)
    client, model = dossier.client, dossier.model
    records = dossier.records()
    (experiment,) = {client.get_run(dossier.run_id).info.experiment_id}
    candidates = [each for each in client.search_logged_models([experiment]) if each.source_run_id == dossier.run_id]
    versions = client.search_model_versions(f"name = '{model}'")
    own = [each for each in versions if each.run_id == dossier.run_id]
    if len(candidates) != 1 or len(own) != 1:
        return [f"there are {len(candidates)} candidates and {len(own)} versions"]
    version = client.get_model_version(model, own[0].version)
    live = client.get_run(dossier.run_id)
    candidate = client.get_logged_model(candidates[0].model_id)
    return [
        *_about_the_chain(run, records),
        *_about_the_end(run, records, int(version.version), client.get_registered_model(model).aliases),
        *_missing("run", run_tags(records), live.data.tags),
        *_missing("version", version_tags(records, dossier.run_id), version.tags),
        *_missing("candidate", candidate_tags(records), candidate.tags),
        *([] if live.info.status == "FINISHED" else [f"the run is {live.info.status}"]),
        *([] if str(candidate.status) == "READY" else [f"the candidate is {candidate.status}"]),
        *_about_all_versions(versions),
        *AnchorTable(rollouts(run.settings).engine).check(),
        *(_inspected(dossiers, model, int(version.version)) if inspect else ()),
    ]


def _inspected(dossiers: Archive, model: str, version: int) -> Iterator[str]:
    yield from map(str, verify(dossiers, model, version, patience=0).findings)
    yield from (str(each.deviation) for each in audit(dossiers, model).seen)


def _about_the_chain(run: Run, records: list) -> Iterator[str]:
    kinds = Counter(record.kind for record in records)
    yield from (f"{kinds[kind]} records of {kind}" for kind in ONCE if kinds[kind] != 1)
    operations = Counter(record.operation for record in records if isinstance(record, Event))
    yield from (f"{operation} was recorded {n} times" for operation, n in operations.items() if n > 1)
    last = {record.kind: record for record in records}
    yield from (f"the last verdict of {gate} is not PASS" for gate in PASSED if last[gate].outcome != "PASS")
    moves = [move for move in rollouts(run.settings).history(run.folder.policy.model) if move.run_key == run.run_key]
    recorded = [(each.facts["action"], each.facts["epoch"]) for each in records if each.kind == "rollout"]
    if recorded != [(move.action, move.epoch) for move in moves]:
        yield f"the moves {moves} are recorded as {recorded}"


def _about_the_end(run: Run, records: list, version: int, aliases: dict) -> Iterator[str]:
    book = rollouts(run.settings)
    row, now = book.find(run.run_key), book.current(run.folder.policy.model)
    if (row.state, row.version, now.champion.version, now.canary) != ("champion", version, version, None):
        yield f"the rollout is {row}, what serves is {now}"
    before = {} if row.champion is None else {"previous": str(row.champion.version)}
    (crowned,) = [each for each in records if each.kind == "alias" and each.facts["alias"] == "champion"]
    if str(crowned.facts["previous"]) != before.get("previous", "None"):
        yield f"@champion is recorded as {crowned.facts}, and was {before} before"
    if {name: str(each) for name, each in aliases.items()} != {"champion": str(version), **before}:
        yield f"the aliases are {aliases}, the version is {version} after {before}"


def _about_all_versions(versions: list) -> Iterator[str]:
    numbers = sorted(int(each.version) for each in versions)
    runs = Counter(each.run_id for each in versions)
    if numbers != list(range(1, len(numbers) + 1)) or set(runs.values()) != {1}:
        yield f"the versions are {numbers} of {runs}"


def _missing(what: str, expected: dict, live: dict) -> Iterator[str]:
    for key, value in expected.items():
        if live.get(key) != value:
            yield f"the {what}'s tag {key} is {live.get(key)}, not {value}"
