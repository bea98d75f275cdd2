"""The numbers of a card: every check and ranking, with its interval, its n and its record."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from assay.core import Check, GroupMetrics, Measured, Outcome, Verdict
from assay.evidence.card import words
from assay.evidence.card.facts import CardFacts
from assay.evidence.card.parts import Item, Note, Table
from assay.evidence.explain.results import AUC_DROP, BRIER_RISE, MEAN_SHAPLEY, Ranking
from assay.evidence.pictures.checks import check_figures, check_title, group_levels, sides
from assay.evidence.pictures.figure import Figure, Line

MEASURES = {
    AUC_DROP: ("AUC lost when the feature is permuted", 0.0),
    BRIER_RISE: ("Brier score gained when the feature is permuted", 0.0),
    MEAN_SHAPLEY: ("Mean size of the Shapley value, in probability", 0.0),
}
"""Measure of a feature's importance: what it is, and the value that means none."""


def gate_items(facts: CardFacts, gate: str, *, together: bool | None = None) -> list[Item]:
    """The figures of a gate's latest verdict.

    Parameters
    ----------
    together
        Only checks and groups of several columns taken together, or only those of single columns;
        None for all.
    """
    verdict = facts.verdicts.get(gate)
    if verdict is None:
        return [Note(text=f"The dossier holds no verdict of the {words.plain(gate)} gate on this model.")]
    checks = [check for check in verdict.checks if together in (None, _is_together(check.attribute))]
    groups = [group for group in verdict.groups if together in (None, len(group.group) > 1)]
    items: list[Item] = [*check_figures(checks, verdict, facts.source(verdict)), *_group_tables(groups, verdict, facts)]
    return items or [Note(text="The policy asks for none.")]


def unclean(facts: CardFacts) -> Table | Note:
    """Every check that is not a clean pass, and whether it was waived."""
    waived = {
        (event.facts["verdict"], event.facts["check"], event.facts["attribute"]): event
        for event in facts.events("waiver")
    }
    rows = []
    for gate, verdict in facts.verdicts.items():
        for check in verdict.checks:
            if check.outcome is Outcome.PASS:
                continue
            waiver = waived.get((verdict.digest, check.name, check.attribute))
            waiver = waiver or waived.get((verdict.digest, check.name, None))
            until = f"until {waiver.facts['expires']}, by {waiver.facts['owner']}" if waiver else "no"
            rows.append(
                [gate, _named(check), f"{check.outcome} ({check.severity})", check.reason, until, facts.source(verdict)]
            )
    if not rows:
        return Note(text="Every check of every gate is a clean pass.")
    header = ["Gate", "Check", "Outcome", "Reason", "Waived", "Record"]
    return Table(caption="Checks that are not a clean pass", header=header, rows=rows)


def outcomes(facts: CardFacts) -> Table:
    """The latest verdict of every gate."""
    rows = [
        [
            words.plain(gate), str(verdict.outcome), f"{verdict.passed} of {len(verdict.checks)}",
            str(verdict.attempt), words.when(verdict.started_at), facts.source(verdict),
        ]
        for gate, verdict in facts.verdicts.items()
    ]  # fmt: skip
    header = ["Gate", "Outcome", "Checks that pass", "Attempt", "Judged at", "Record"]
    return Table(caption="Gates", header=header, rows=rows, numbers=["Checks that pass", "Attempt"])


def importance_items(facts: CardFacts) -> list[Item]:
    """How much each feature matters, overall and by group."""
    explanation = facts.explanation
    if explanation is None:
        return [Note(text="Not measured for this card.")]
    level = f"The intervals of one column hold together with {words.percent(explanation.confidence)} confidence."
    source = f"model {words.short(explanation.model)}, snapshot {explanation.snapshot}, seed {explanation.seed}"
    items: list[Item] = []
    for measure, (caption, anchor) in MEASURES.items():
        rankings = [ranking for ranking in explanation.rankings if ranking.measure == measure]
        everyone = next((ranking for ranking in rankings if not ranking.group), None)
        if everyone is None:
            continue
        items.append(
            Figure(caption=caption, lines=_ranked(everyone, source), level=level, anchor=anchor)
            if not everyone.absent
            else Note(text=f"{caption}: not measured, {everyone.absent}.")
        )
        groups = [ranking for ranking in rankings if ranking.group]
        items += [_by_group(caption, everyone, group, level) for group in _by_column(groups)]
    effort = explanation.effort
    permuted = min(explanation.holdout, effort.rows)
    method = (
        f"Asked of the served bytes on {permuted:,} of {explanation.holdout:,} held-out rows. Each feature was "
        f"permuted {effort.repeats} times. Shapley values are interventional: for each explained row against "
        f"{effort.pairs} rows of the training data, in a random order and its reverse. What features that go "
        "together matter can be shared out in many ways, and permuting one of them alone makes rows that do not occur."
    )
    return [*items, Note(text=method)]


def _group_tables(groups: Sequence[GroupMetrics], verdict: Verdict, facts: CardFacts) -> Iterator[Table]:
    for columns, members in groupby(groups, lambda each: tuple(each.group)):
        rows = list(members)
        metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
        yield Table(
            caption=f"Every metric by {words.attribute('*'.join(columns))}",
            header=[*columns, "n", *map(words.metric, metrics)],
            rows=[
                [*row.group.values(), words.count(row.n), *(_measured(row.metrics.get(name)) for name in metrics)]
                for row in rows
            ],
            numbers=["n", *map(words.metric, metrics)],
            note=f"{group_levels(verdict)} n of a rate is the rows that it is a share of. "
            f"From {facts.source(verdict)}.",
        )


def _measured(value: Measured | None) -> str:
    if value is None or value.estimate is None:
        return "not measured"
    shown, interval = words.measured(value.estimate, value.interval)
    return f"{shown}\n[{interval}]\nn {value.support:,}"


def _ranked(ranking: Ranking, source: str) -> list[Line]:
    ordered = sorted(ranking.features.items(), key=lambda item: (-(item[1].estimate or 0.0), item[0]))
    return [
        Line(name=name, estimate=found.estimate, interval=found.interval, n=found.support, source=source)
        for name, found in ordered
    ]


def _by_column(rankings: Sequence[Ranking]) -> list[list[Ranking]]:
    columns: dict[tuple[str, ...], list[Ranking]] = {}
    for ranking in rankings:
        columns.setdefault(tuple(ranking.group), []).append(ranking)
    return list(columns.values())


def _by_group(caption: str, everyone: Ranking, groups: Sequence[Ranking], level: str) -> Table:
    order = [line.name for line in _ranked(everyone, "")] or list(groups[0].features)
    told = [each for each in groups if not each.absent]
    names = [f"{words.group(each.group)} (n {each.rows:,})" for each in told]
    absent = "; ".join(
        f"{words.group(each.group)}: {each.rows:,} rows, {each.absent}" for each in groups if each.absent
    )
    rows = [[feature, *(_cell(each.features.get(feature)) for each in told)] for feature in order]
    return Table(
        caption=f"{caption}, by {words.attribute('*'.join(groups[0].group))}",
        header=["Feature", *names],
        rows=rows,
        numbers=names,
        folded=True,
        note=f"{level} Not measured: {absent}." if absent else level,
    )


def _cell(value: Measured | None) -> str:
    if value is None or value.estimate is None:
        return words.NOTHING
    shown, interval = words.measured(value.estimate, value.interval)
    return shown if value.interval is None else f"{shown}\n[{interval}]"


def _named(check: Check) -> str:
    compared = sides(check)
    return check_title(check) + (f" ({compared})" if compared else "")


def _is_together(columns: str | None) -> bool:
    return "*" in (columns or "")
