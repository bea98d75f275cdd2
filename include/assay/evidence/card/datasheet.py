"""The datasheet: the parts of Gebru et al. (2021), each with what was counted and what the team wrote."""

import re
from collections.abc import Mapping, Sequence

from assay.core import Check
from assay.evidence.card import words
from assay.evidence.card.facts import DATASHEET, POLICY_FILE, CardFacts
from assay.evidence.card.model_card import preprocessing, snapshot
from assay.evidence.card.parts import Fact, Facts, Item, Note, Part, Quote, Section, Table

_SECTIONS = {
    "Motivation": "3.1",
    "Composition": "3.2",
    "Collection process": "3.3",
    "Preprocessing, cleaning, labeling": "3.4",
    "Uses": "3.5",
    "Distribution": "3.6",
    "Maintenance": "3.7",
}
"""Parts of a datasheet, and where the paper asks for each."""

_BLANK = "_blank_"  # as the draft of a datasheet marks a question that waits for an answer
_HEADING = re.compile(r"^##\s+(.*?)\s*$", re.MULTILINE)


def datasheet(facts: CardFacts) -> Part:
    """Lay out the datasheet.

    References
    ----------
    T. Gebru et al. (2021), Datasheets for datasets, Communications of the ACM 64(12), section 3.
    """
    written = written_sections(facts.datasheet or "")
    own = {"Composition": _composition(facts), "Collection process": _collection(facts)}
    own |= {"Preprocessing, cleaning, labeling": _preprocessing(facts), "Maintenance": _maintenance(facts)}
    sections = [
        Section(title=title, reference=reference, items=[*own.get(title, []), *_written(title, written, facts)])
        for title, reference in _SECTIONS.items()
    ]
    rest = {title: text for title, text in written.items() if _matching(title) is None and text}
    if rest:
        items = [
            Quote(text=f"### {title}\n\n{text}" if title else text, source=_team(facts)) for title, text in rest.items()
        ]
        sections.append(Section(title="Further words of the team", items=items))
    lead = "After Gebru et al. (2021). What is set apart was written by the team; the rest was recorded or counted."
    return Part(title="Datasheet", sections=sections, lead=lead)


def written_sections(text: str) -> dict[str, str]:
    r"""A team's datasheet by its headings of second level; what stands before the first has the heading ``""``.

    Examples
    --------
    >>> written_sections("# Title\nAbout.\n## Uses\nMany.\n")
    {'': 'About.', 'Uses': 'Many.'}
    """
    first, *parts = _HEADING.split(text)
    intro = re.sub(r"^#\s.*$", "", first, flags=re.MULTILINE).strip()
    found: dict[str, str] = {"": intro} if intro else {}
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        found[title] = f"{found[title]}\n\n{body.strip()}" if title in found else body.strip()
    return found


def _matching(title: str) -> str | None:
    """The part of a datasheet that a heading means, by its first word."""
    word = title.lower().split(" ")[0].strip(",:")
    return next((each for each in _SECTIONS if word and each.lower().split(" ")[0].strip(",") == word), None)


def _written(title: str, written: Mapping[str, str], facts: CardFacts) -> list[Item]:
    found = [text for heading, text in written.items() if _matching(heading) == title and text]
    if not found:
        return [Facts(facts=[Fact(name=f"{title}, in the team's words", value=None)])]
    return [Quote(text=text, source=_team(facts), blanks=text.count(_BLANK)) for text in found]


def _team(facts: CardFacts) -> str:
    digest = (facts.told("request", "files") or {}).get(DATASHEET)
    return f"Written by the team: {DATASHEET}" + (f", SHA-256 {digest}" if digest else "")


def _composition(facts: CardFacts) -> list[Item]:
    data, source = facts.policy.data, f"{POLICY_FILE}: data"
    roles: dict[str, list[str]] = {}
    for role, columns in {
        "key": [data.key],
        "label": [data.label],
        "feature": data.features,
        "sensitive": data.sensitive,
        "may change in a counterfactual": data.mutable,
    }.items():
        for column in columns:
            roles.setdefault(column, []).append(role)
    table = Table(
        caption="Columns",
        header=["Column", "Type", "Role"],
        rows=[
            [str(field["name"]), str(field["type"]), ", ".join(roles.get(str(field["name"]), ["not used"]))]
            for field in facts.manifest["schema"]
        ],
        note=f"From the snapshot's manifest and {source}.",
    )
    return [
        Facts(
            facts=[
                snapshot(facts),
                Fact(name="Key of a row", value=data.key, source=source),
                Fact(name="Label", value=f"{data.label}, positive when {data.positive}", source=source),
            ]
        ),
        table,
        *_contract(facts),
    ]


def _contract(facts: CardFacts) -> list[Item]:
    verdict = facts.verdicts.get("contract")
    if verdict is None:
        return [Note(text="The data were not held to a contract.")]
    return [
        Table(
            caption="What the data were held to",
            header=["Expectation", "Outcome", "Estimate", "n", "Found"],
            rows=[_expectation(check) for check in verdict.checks],
            numbers=["Estimate", "n"],
            folded=True,
            note=f"Counted over all rows, so that there is no interval. From {facts.source(verdict)}.",
        )
    ]


def _expectation(check: Check) -> Sequence[str]:
    about = f" ({words.attribute(check.attribute)})" if check.attribute else ""
    name = words.plain(check.name.removeprefix("expect_")) + about
    return [name, str(check.outcome), words.number(check.estimate), words.count(check.support), check.reason]


def _collection(facts: CardFacts) -> list[Item]:
    source, digest = facts.told("snapshot", "source"), facts.told("snapshot", "source_sha256")
    shown = source if source is None or digest is None else f"{source}, SHA-256 {digest}"  # a database has no digest
    came = facts.event("snapshot")
    return [
        Facts(
            facts=[
                Fact(
                    name="File that the rows came from",
                    value=shown,
                    source=facts.source(came),
                ),
                Fact(name="Taken at", value=None if came is None else words.when(came.at), source=facts.source(came)),
            ]
        )
    ]


def _preprocessing(facts: CardFacts) -> list[Item]:
    return [Facts(facts=[preprocessing(facts)])]


def _maintenance(facts: CardFacts) -> list[Item]:
    version = facts.told("snapshot", "table_version")
    return [
        Facts(
            facts=[
                Fact(
                    name="Version of the table",
                    value=None if version is None else str(version),
                    source=facts.from_event("snapshot"),
                ),
                Fact(
                    name="Retrained",
                    value=facts.policy.schedule and f"by the schedule {facts.policy.schedule} (cron, UTC)",
                    source=f"{POLICY_FILE}: schedule",
                ),
                Fact(
                    name="Evidence is kept for",
                    value=f"{facts.policy.retention_years} years",
                    source=f"{POLICY_FILE}: risk_tier and retention",
                ),
            ]
        )
    ]
