"""Put a card together."""

from assay.core import Event, Record, Verdict
from assay.evidence.card import words
from assay.evidence.card.annex import RECORDS, annex
from assay.evidence.card.datasheet import datasheet
from assay.evidence.card.facts import POLICY_FILE, CardFacts
from assay.evidence.card.model_card import model_card
from assay.evidence.card.parts import Card, Fact, Facts, Part, Section, Table
from assay.evidence.card.quantities import outcomes
from assay.evidence.requests import REQUEST, asked_by


def card(facts: CardFacts) -> Card:
    """Make the card of a version: a function of its facts and of nothing else, the clock included."""
    return Card(
        title=f"{facts.model}, version {facts.version}",
        lead=facts.policy.description,
        owner=facts.policy.owner,
        summary=_summary(facts),
        model_card=model_card(facts),
        datasheet=datasheet(facts),
        annex=annex(facts),
        provenance=_provenance(facts),
    )


def _summary(facts: CardFacts) -> Facts:
    registration, asked = facts.event("registration"), facts.events(REQUEST)
    head = facts.records[-1] if facts.records else None
    waivers = {event.facts["id"] for event in facts.events("waiver")}
    return Facts(
        facts=[
            Fact(name="Owner", value=facts.policy.owner, source=f"{POLICY_FILE}: owner"),
            Fact(name="Risk tier", value=facts.policy.risk_tier, source=f"{POLICY_FILE}: risk_tier"),
            Fact(
                name="Registered",
                value=None if registration is None else words.when(registration.at),
                source=facts.source(registration),
            ),
            Fact(
                name="Asked for by",
                value="; then ".join(map(asked_by, asked)) or None,
                source=facts.from_event(REQUEST),
            ),
            Fact(name="Model SHA-256", value=facts.sha256, source=facts.source(registration)),
            Fact(
                name="Policy SHA-256",
                value=facts.told("registration", "policy_sha256"),
                source=facts.source(registration),
            ),
            Fact(name="Snapshot", value=facts.told("snapshot", "snapshot"), source=facts.from_event("snapshot")),
            Fact(
                name="Code version",
                value=facts.told("registration", "code_version"),
                source=facts.source(registration),
            ),
            Fact(name="Waivers", value=str(len(waivers)), source=facts.from_event("waiver")),
            Fact(
                name="Dossier",
                value=f"{facts.dossier}, {len(facts.records)} records up to {head.digest}" if head else None,
                source=facts.source(head),
            ),
        ]
    )


def _provenance(facts: CardFacts) -> Part:
    records = Table(
        caption="The chain that this card was made from",
        header=["Number", "Record", "At", "By", "SHA-256"],
        rows=[
            [str(place), words.plain(record.kind), words.when(_at(record)), _by(record), record.digest]
            for place, record in enumerate(facts.records, 1)
        ],
        numbers=["Number"],
        note="Each record names the digest of the one before it, is signed, and is anchored outside the registry: "
        f"assay dossier verify {facts.model} {facts.version}",
    )
    sections = [Section(title="Gates", items=[outcomes(facts)]), Section(title=RECORDS, items=[records])]
    return Part(title="Provenance", sections=sections)


def _at(record: Record) -> str:
    return record.at if isinstance(record, Event) else record.started_at


def _by(record: Record) -> str:
    return f"{record.gate} gate: {record.outcome}" if isinstance(record, Verdict) else record.by
