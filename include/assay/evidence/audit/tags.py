"""The tags of Assay's in MLflow, which are images of the dossier and of nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from assay.core import Record
from assay.evidence.audit.deviation import LAG, Deviation, Repair, key
from assay.evidence.audit.versions import read_again
from assay.evidence.verify.case import Case, is_younger
from assay.evidence.verify.shown import differing, marks, ours
from assay.registry.images import candidate_tags, run_tags, version_tags
from assay.registry.live import read_candidate, read_run, tag_candidate, tag_run, tag_version

Expected = Callable[[Sequence[Record]], Mapping[str, str]]

_TRIES = 3


def audit_tags(case: Case, allowed: Sequence[int]) -> list[Deviation]:
    """Every tag of Assay's on run, candidate and version that the dossier does not give.

    Parameters
    ----------
    allowed
        Ids of the version's open incidents, which it may show.
    """
    for _ in range(_TRIES):
        found = list(_tags(case, allowed))
        head = case.dossier.head()
        if not found or head == case.anchors[-1].digest:
            break
        case = read_again(case)
    return found


def _tags(case: Case, allowed: Sequence[int]) -> Iterator[Deviation]:
    client, run_id, records = case.dossier.client, case.dossier.run_id, case.records
    training = case.last("training")
    run = read_run(client, run_id)
    if run is None or run.deleted:
        yield _deleted(case, f"the run {run_id}", f"mlflow runs restore --run-id {run_id}")
    else:
        yield from _differing(
            case, f"run {run_id}", ours(run.tags), run_tags, lambda name, value: tag_run(client, run_id, name, value)
        )
    if training is not None:
        model_id = training.facts["candidate"]
        candidate = read_candidate(client, model_id)
        if candidate is None:
            yield _deleted(case, f"the candidate {model_id}", "restore MLflow's database from a backup")
        else:
            yield from _differing(
                case,
                f"candidate {model_id}",
                ours(candidate.tags),
                candidate_tags,
                lambda name, value: tag_candidate(client, model_id, name, value),
            )
    if case.live is not None and records:
        model, version = case.model, case.version
        marked = marks(allowed, case.live.tags)
        yield from _differing(
            case,
            f"version {version}",
            ours(case.live.tags),
            lambda chain: {**version_tags(chain, run_id, version), **marked},
            lambda name, value: tag_version(client, model, version, name, value),
        )


def _differing(
    case: Case, where: str, live: Mapping[str, str], expected: Expected, put: Callable[[str, str | None], None]
) -> Iterator[Deviation]:
    fresh = sum(is_younger(anchor.at, LAG) for anchor in case.anchors)
    wanted = expected(case.records)
    # what the tags were before each of the latest records: their writers may be at work
    lately = [expected(case.records[: len(case.records) - back]) for back in range(1, fresh + 1)]
    for name, message in differing(wanted, live).items():
        if any(then.get(name) == live.get(name) for then in lately):
            continue
        yield Deviation(
            key=key(case.model, "tag", case.version, where.partition(" ")[0], name),
            model=case.model,
            version=case.version,
            kind="tag",
            message=f"{where}: the tag {name} {message}",
            mend=f"assay audit {case.model} --restore sets it back; it proves nothing, and the dossier counts",
            repair=Repair(
                dossier=case.dossier,
                apply=lambda name=name: put(name, expected(case.dossier.records()).get(name)),  # type: ignore[misc]
                facts={"where": where, "tag": name, "was": live.get(name), "now": wanted.get(name)},
            ),
        )


def _deleted(case: Case, what: str, mend: str) -> Deviation:
    return Deviation(
        key=key(case.model, "tag", case.version, what, "deleted"),
        model=case.model,
        version=case.version,
        kind="tag",
        message=f"{what} was deleted from MLflow",
        mend=mend,
    )
