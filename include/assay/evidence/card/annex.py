"""What Annex IV of the EU AI Act asks for: what this project knows of it, and what somebody still owes."""

from collections.abc import Callable

from assay.core import Check
from assay.evidence.card import words
from assay.evidence.card.decision import thresholds
from assay.evidence.card.facts import POLICY_FILE, CardFacts
from assay.evidence.card.model_card import purpose, rival
from assay.evidence.card.parts import Fact, Facts, Part, Section, Table
from assay.policy import APPROVALS


def annex(facts: CardFacts) -> Part:
    """Lay out points 1 to 9.

    References
    ----------
    Regulation (EU) 2024/1689, Annex IV: technical documentation referred to in Article 11(1).
    """
    sections = [
        Section(title=title, reference=point, items=[Facts(facts=build(facts)), *_more(point, facts)])
        for (point, title), build in _POINTS.items()
    ]
    lead = (
        "Points 1 to 9 of Annex IV to Regulation (EU) 2024/1689. This is no declaration of conformity: "
        "it gathers what the dossier proves and shows what it does not."
    )
    return Part(title="Technical documentation (EU AI Act, Annex IV)", sections=sections, lead=lead)


def _general(facts: CardFacts) -> list[Fact]:
    versus = rival(facts)
    version = f"version {facts.version}" + (f", compared with version {versus}" if versus else "")
    files = facts.told("training", "files") or {}
    form = f"one ONNX file, SHA-256 {facts.sha256}, answered for over HTTP; {len(files)} files are stored with it"
    return [
        purpose(facts, "1(a) Intended purpose"),
        Fact(name="1(a) Provider", value=None),
        Fact(name="1(a) Version and its relation to earlier ones", value=version, source=_registered(facts)),
        Fact(name="1(b) Interaction with other hardware and software", value=None),
        Fact(name="1(c) Versions of software", value=_table(facts, "Software"), source=facts.from_event("request")),
        Fact(name="1(d) Forms in which it is put into service", value=form, source=facts.from_event("training")),
        Fact(name="1(e) Hardware that it is meant to run on", value=None),
        Fact(name="1(f) Pictures of the product that it is part of", value=None),
        Fact(name="1(g) User interface", value=None),
        Fact(name="1(h) Instructions for use", value=None),
    ]


def _development(facts: CardFacts) -> list[Fact]:
    data = facts.policy.data
    schedule = facts.policy.schedule
    changes = f"retrained by the schedule {schedule}; every new version passes the same gates" if schedule else None
    output = f"the probability of {data.label} = {data.positive}; decided for from {thresholds(facts)} on"
    key = facts.told("training", "key")
    return [
        Fact(
            name="2(a) Methods and steps of development",
            value=f"{len(facts.records)} recorded steps: see {RECORDS}",
            source=_registered(facts),
        ),
        Fact(name="2(a) Pre-trained systems and tools of third parties", value=None),
        Fact(name="2(b) General logic, design choices and assumptions", value=None),
        Fact(name="2(b) What the outputs are", value=output, source=facts.from_event("training")),
        Fact(name="2(b) Trade-offs", value=None),
        Fact(name="2(c) Architecture", value=None),
        Fact(name="2(c) Computational resources", value=None),
        Fact(name="2(d) Data", value="see Datasheet", source=facts.from_event("snapshot")),
        Fact(name="2(e) Human oversight", value=_oversight(facts), source=f"{POLICY_FILE}: risk_tier and approval"),
        Fact(name="2(f) Changes decided in advance", value=changes, source=f"{POLICY_FILE}: schedule"),
        Fact(
            name="2(g) Validation and testing",
            value="see Performance overall, by group and under damage; every record is dated and signed",
            source=facts.source(facts.verdicts.get("performance")),
        ),
        Fact(name="2(g) Persons responsible for the tests", value=_people(facts), source=_approved(facts)),
        Fact(
            name="2(h) Cybersecurity",
            value=None if key is None else f"model files are signed by key {key}, and checked before they are loaded",
            source=facts.from_event("training"),
        ),
    ]


def _monitoring(facts: CardFacts) -> list[Fact]:
    return [
        Fact(
            name="3 Accuracy, overall and for groups of persons",
            value="see Performance overall, by group, and by groups taken together",
            source=facts.source(facts.verdicts.get("fairness")),
        ),
        Fact(name="3 Limitations", value=None),
        Fact(name="3 Foreseeable unintended outcomes and sources of risk", value=None),
        Fact(name="3 Human oversight", value=_oversight(facts), source=f"{POLICY_FILE}: risk_tier and approval"),
        Fact(
            name="3 Means to interpret outputs",
            value=_means(facts),
            source="" if facts.explanation is None else f"model {words.short(facts.explanation.model)}",
        ),
        Fact(
            name="3 Specification of input data",
            value="the columns and their types: see Datasheet, Composition",
            source=facts.from_event("snapshot"),
        ),
    ]


def _service(facts: CardFacts) -> list[Fact]:
    rollout = facts.policy.rollout
    stages = ", ".join(f"{share} %" for share in rollout.stages)
    limits = (
        f"traffic in stages of {stages}; a canary is rolled back when its Brier score is surely more than "
        f"{rollout.margin:g} above the champion's, or more than {words.percent(rollout.max_error_rate)} of its answers "
        f"are errors; it ends after {rollout.max_hours:g} hours without proof"
    )
    return [
        Fact(name="9 Evaluation when it enters service", value=limits, source=f"{POLICY_FILE}: rollout"),
        Fact(name="9 Post-market monitoring plan (Article 72(3))", value=None),
    ]


def _blank(*names: str) -> Callable[[CardFacts], list[Fact]]:
    return lambda _: [Fact(name=name, value=None) for name in names]


def _lifecycle(facts: CardFacts) -> list[Fact]:
    moves = [event for event in facts.records if event.kind in ("rollout", "alias", "waiver", "retirement")]
    told = f"moves of traffic and aliases, waivers and retirements so far: {len(moves)}, see {RECORDS}"
    return [
        Fact(name="6 Changes of this version", value=told, source=_registered(facts)),
        Fact(name="6 Changes made to the system between versions", value=None),
    ]


RECORDS = "Records"

_POINTS: dict[tuple[str, str], Callable[[CardFacts], list[Fact]]] = {
    ("1", "General description"): _general,
    ("2", "Elements and development"): _development,
    ("3", "Monitoring, functioning and control"): _monitoring,
    ("4", "Appropriateness of the metrics"): _blank("4 Why the metrics are appropriate"),
    ("5", "Risk management system (Article 9)"): _blank("5 Risk management system"),
    ("6", "Changes through the lifecycle"): _lifecycle,
    ("7", "Harmonised standards"): _blank("7 Harmonised standards applied", "7 Other standards and solutions"),
    ("8", "EU declaration of conformity"): _blank("8 Copy of the declaration (Article 47)"),
    ("9", "Performance after entry into service (Article 72)"): _service,
}


def _more(point: str, facts: CardFacts) -> list[Table]:
    environment = facts.told("request", "environment")
    if point != "1" or not environment:
        return []
    rows = [[name, str(version)] for name, version in sorted(environment.items())]
    note = f"From {facts.from_event('request')}."
    return [Table(caption="Software", header=["Package", "Version"], rows=rows, note=note, folded=True)]


def _table(facts: CardFacts, caption: str) -> str | None:
    return f"see the table {caption}" if facts.told("request", "environment") else None


def _oversight(facts: CardFacts) -> str:
    tier, approval = facts.policy.tier, facts.policy.approval
    roles = " and ".join(
        words.plain(role) + (f" ({', '.join(people)})" if (people := approval.people(role)) else "")
        for role in tier.roles
    )
    reason = ", with a reason" if tier.reason_required else ""
    return f"no version gets traffic before a {roles} approves it{reason}, and not whoever asked for it"


def _answers(facts: CardFacts) -> list[tuple[str, Check]]:
    gates = tuple(APPROVALS.values())
    return [(gate, check) for gate in gates if gate in facts.verdicts for check in facts.verdicts[gate].checks]


def _people(facts: CardFacts) -> str | None:
    return words.listed(check.reason for _, check in _answers(facts))


def _approved(facts: CardFacts) -> str:
    return ", ".join(facts.source(facts.verdicts[gate]) for gate, _ in _answers(facts))


def _means(facts: CardFacts) -> str | None:
    if facts.explanation is None:
        return None
    return "the features that the scores hang on: see What the scores hang on; for one row: assay explain"


def _registered(facts: CardFacts) -> str:
    return facts.from_event("registration")
