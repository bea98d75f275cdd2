"""The aliases in MLflow, which are images of the deployment's row and of nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay.evidence.audit.deviation import LAG, Deviation, Repair, key
from assay.evidence.verify.case import Case
from assay.registry.live import LiveModel, point_alias
from assay.rollout.history import Served, at, timeline

if TYPE_CHECKING:
    from assay.registry.archive import Archive
    from assay.rollout.records import Deployment, ModelRef
    from assay.rollout.rollouts import Rollouts

CHAMPION, CANARY, PREVIOUS = "champion", "canary", "previous"


def served_aliases(served: Sequence[Served], when: datetime) -> dict[str, int]:
    """The aliases that there should have been at an instant, by the moves alone."""
    found: dict[str, int] = {each.role: each.version for each in at(served, when)}
    began = [each for each in served if each.role == CHAMPION and datetime.fromisoformat(each.since) <= when]
    champions = [each.version for each in began]
    earlier = [version for version in champions if version != found.get(CHAMPION)]
    if CHAMPION in found and earlier:
        found[PREVIOUS] = earlier[-1]
    return found


def audit_aliases(
    archive: "Archive", book: "Rollouts", model: str, live: LiveModel, cases: Mapping[int, Case]
) -> list[Deviation]:
    """Every alias that is not what the deployment's row says, and a row that the moves do not explain."""
    row, served = _read(book, model)
    now = datetime.now(UTC)
    moved = served_aliases(served, now)
    wanted = _of_row(row) | ({PREVIOUS: moved[PREVIOUS]} if PREVIOUS in moved else {})
    found = _row_deviations(model, row, moved, cases) + _share(model, row, at(served, now))
    lately = _lately(served, now)
    for alias in sorted(wanted.keys() | live.aliases.keys()):
        names, should = live.aliases.get(alias), wanted.get(alias)
        if names == should or any(names == then.get(alias) for then in lately):
            continue
        found.append(_alias(archive, model, alias, names, should, live, cases))
    return found


def _read(book: "Rollouts", model: str) -> "tuple[Deployment | None, list[Served]]":
    """The row and the moves that led to it; again when there was a move in between."""
    while True:
        row, served = book.current(model), timeline(book.engine, model)
        after = book.current(model)
        if (row and row.epoch) == (after and after.epoch):
            return row, served


def _of_row(row: "Deployment | None") -> dict[str, int]:
    named = {} if row is None else {CHAMPION: row.champion, CANARY: row.canary}
    return {alias: ref.version for alias, ref in named.items() if ref is not None}


def _lately(served: Iterable[Served], now: datetime) -> list[dict[str, int]]:
    """What the aliases may still say, because the pipeline is about to publish a move."""
    served = list(served)
    turns = {datetime.fromisoformat(each) for one in served for each in (one.since, one.until) if each is not None}
    late = sorted(turn for turn in turns if now - LAG < turn <= now)
    return [served_aliases(served, when) for when in (now - LAG, *late)] if late else []


def _alias(
    archive: "Archive",
    model: str,
    alias: str,
    names: int | None,
    should: int | None,
    live: LiveModel,
    cases: Mapping[int, Case],
) -> Deviation:
    version = next((each for each in (names, should) if each in live.versions), None)
    holder = next((cases[each] for each in (should, names) if each is not None and each in cases), None)
    says = "names nothing" if names is None else f"names version {names}"
    true = "nothing" if should is None else f"version {should}"
    return Deviation(
        key=key(model, "alias", alias),
        model=model,
        version=version,
        kind="alias",
        message=f"@{alias} {says}; by the rollouts it names {true}",
        mend=f"assay audit {model} --restore sets it back; if a rollout has just ended, clear its canary_promotion",
        repair=Repair(
            dossier=None if holder is None else holder.dossier,
            apply=lambda: point_alias(archive.client, model, alias, should),
            facts={"alias": alias, "was": names, "now": should},
        ),
    )


def _row_deviations(
    model: str, row: "Deployment | None", moved: Mapping[str, int], cases: Mapping[int, Case]
) -> list[Deviation]:
    says = _of_row(row)
    found = []
    for alias in (CHAMPION, CANARY):
        there, moves = says.get(alias), moved.get(alias)
        if there != moves:
            wrong = f"its {alias} is {_words(there)}, by the moves {_words(moves)}"
            found.append(_row(model, alias, there, wrong))
    for ref in (row.champion, row.canary) if row is not None else ():
        wrong = _other_file(ref, cases) if ref is not None else ""
        found += [_row(model, f"file:{ref.version}", ref.version, wrong)] if ref is not None and wrong else []
    return found


def _share(model: str, row: "Deployment | None", serving: Iterable[Served]) -> list[Deviation]:
    """A share of the traffic that no move gave to the canary."""
    has = 0 if row is None else row.share
    moves = next((each.share for each in serving if each.role == CANARY), 0)
    canary = None if row is None or row.canary is None else row.canary.version
    wrong = f"its canary has {has} % of the traffic, by the moves {moves} %"
    return [] if has == moves else [_row(model, "share", canary, wrong)]


def _other_file(ref: "ModelRef", cases: Mapping[int, Case]) -> str:
    case = cases.get(ref.version)
    training = None if case is None else case.training
    if training is None:
        return f"it serves version {ref.version}, which no dossier registers"
    recorded = (training.facts["sha256"], training.facts["path"])
    if (ref.digest, ref.path) == recorded:
        return ""
    return f"it serves version {ref.version} from {ref.path} ({ref.digest}), recorded {recorded[1]} ({recorded[0]})"


def _row(model: str, place: str, version: int | None, message: str) -> Deviation:
    return Deviation(
        key=key(model, "row", place),
        model=model,
        version=version,
        kind="row",
        message=f"the deployment's row was changed by hand: {message}",
        mend="find out who can write to the operations database; restore the row from a backup, or roll out a "
        "version anew",
    )


def _words(number: int | None) -> str:
    return "none" if number is None else f"version {number}"
