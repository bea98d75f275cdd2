"""The model card: the fields of Mitchell et al. (2019), answered from the dossier."""

from assay.core import Limit
from assay.evidence.card import words
from assay.evidence.card.decision import decides_by, mitigation, thresholds
from assay.evidence.card.facts import POLICY_FILE, CardFacts
from assay.evidence.card.parts import Fact, Facts, Part, Section
from assay.evidence.card.quantities import gate_items, importance_items, unclean
from assay.evidence.card.sides import tested, validation


def model_card(facts: CardFacts) -> Part:
    """Lay out the model card.

    References
    ----------
    M. Mitchell et al. (2019), Model cards for model reporting, FAT*, section 4.
    """
    sections = [
        _details(facts),
        _use(facts),
        _factors(facts),
        _metrics(facts),
        _evaluation_data(facts),
        _training_data(facts),
        *_analyses(facts),
        _ethics(facts),
        _caveats(facts),
    ]
    return Part(title="Model card", sections=sections, lead="After Mitchell et al. (2019), section by section.")


def _asked(title: str, reference: str, *facts: Fact) -> Section:
    return Section(title=title, reference=reference, items=[Facts(facts=facts)])


def _details(facts: CardFacts) -> Section:
    data, training = facts.policy.data, facts.from_event("training")
    versus = rival(facts)
    relation = f"compared with version {versus} on the same rows" if versus else None
    at = facts.event("training")
    return _asked(
        "Model details",
        "4.1",
        Fact(name="Developed by", value=facts.policy.owner, source=f"{POLICY_FILE}: owner"),
        Fact(name="Date", value=None if at is None else words.when(at.at), source=training),
        Fact(name="Version", value=str(facts.version), source=facts.from_event("registration")),
        Fact(
            name="Relation to earlier versions",
            value=relation,
            source=facts.source(facts.verdicts.get("performance")),
        ),
        Fact(
            name="Type",
            value=f"a probability of {data.label} = {data.positive}, from an ONNX file",
            source=training,
        ),
        Fact(name="Algorithm", value=_algorithm(facts), source=facts.from_event("request")),
        Fact(
            name="Parameters",
            value=words.pairs({**_parameters(facts), "seed": facts.told("training", "seed")}),
            source=training,
        ),
        Fact(
            name="Isolation of the training code",
            value=words.isolation(facts.told("training", "isolation")) or None,
            source=training,
        ),
        Fact(name="Features", value=words.listed(data.features), source=f"{POLICY_FILE}: data.features"),
        Fact(name="Paper or other resource", value=None),
        Fact(name="How to cite", value=None),
        Fact(name="License", value=None),
        Fact(name="Where to send questions", value=None),
    )


def _use(facts: CardFacts) -> Section:
    return _asked(
        "Intended use",
        "4.2",
        purpose(facts, "Primary uses"),
        Fact(name="Primary users", value=None),
        Fact(name="Out of scope", value=None),
    )


def purpose(facts: CardFacts, name: str) -> Fact:
    """What the owner says that the model is for."""
    return Fact(name=name, value=facts.policy.description or None, source=f"{POLICY_FILE}: description")


def _factors(facts: CardFacts) -> Section:
    fairness = facts.policy.gates.fairness
    groups = words.listed(words.attribute("*".join(columns)) for columns in fairness.attributes)
    return _asked(
        "Factors",
        "4.3",
        Fact(
            name="Relevant groups",
            value=words.listed(facts.policy.data.sensitive),
            source=f"{POLICY_FILE}: data.sensitive",
        ),
        Fact(name="Groups compared", value=groups, source=f"{POLICY_FILE}: gates.fairness.groups"),
        Fact(
            name="Smallest group judged",
            value=f"{fairness.min_group_size:,} rows",
            source=f"{POLICY_FILE}: gates.fairness.min_group_size",
        ),
        Fact(name="Instruments that made the data", value=None),
        Fact(name="Environment in which it is used", value=None),
    )


def _metrics(facts: CardFacts) -> Section:
    gates, source = facts.policy.gates, f"{POLICY_FILE}: gates"
    performance = words.listed(f"{each.metric} {words.limit(each.limit)}" for each in gates.performance.checks)
    fairness = words.listed(
        f"{words.plain(each.metric)} {each.compare} {words.limit(each.limit)}" for each in gates.fairness.checks
    )
    robustness = words.listed(
        f"{each.metric} drop under {words.plain(each.scenario)} {words.limit(Limit(max=each.max_drop))}"
        for each in gates.robustness.checks
    )
    spread = (
        "standard errors in closed form from each held-out row's influence (DeLong's for AUC); score intervals for "
        "rates; joint over the checks of a gate"
    )
    return _asked(
        "Metrics",
        "4.4",
        Fact(name="Performance, with limits", value=performance, source=f"{source}.performance"),
        Fact(name="Differences between groups, with limits", value=fairness, source=f"{source}.fairness"),
        Fact(name="Loss under damage, with limits", value=robustness, source=f"{source}.robustness"),
        Fact(
            name="Decision threshold",
            value=thresholds(facts),
            source=facts.from_event("training"),
        ),
        Fact(name="How uncertainty was measured", value=spread, source=source),
        Fact(name="Why these metrics", value=None),
    )


def _evaluation_data(facts: CardFacts) -> Section:
    rows = facts.told("training", "holdout_rows")
    return _asked(
        "Evaluation data",
        "4.5",
        snapshot(facts),
        Fact(
            name="Rows",
            value=None if rows is None else f"{rows:,}, which training has not seen",
            source=facts.from_event("training"),
        ),
        tested(facts),
        Fact(name="Why these data", value=None),
        preprocessing(facts),
    )


def _training_data(facts: CardFacts) -> Section:
    rows = facts.told("training", "training_rows")
    return _asked(
        "Training data",
        "4.6",
        snapshot(facts),
        Fact(
            name="Rows",
            value=None if rows is None else f"{rows:,}",
            source=facts.from_event("training"),
        ),
        *validation(facts),
        preprocessing(facts),
    )


def snapshot(facts: CardFacts) -> Fact:
    """Which data."""
    found = facts.event("snapshot")
    value = None
    if found is not None:
        value = f"{found.facts['snapshot']}, {found.facts['rows']:,} rows, SHA-256 {found.facts['content_sha256']}"
    return Fact(name="Data set", value=value, source=facts.source(found))


def preprocessing(facts: CardFacts) -> Fact:
    """What happens to every row before a model reads it, here and in service."""
    value = "numbers become 32-bit floats, a missing text becomes the word (missing); the rest is in train.py"
    return Fact(name="Preprocessing", value=value, source=facts.from_event("request"))


def _analyses(facts: CardFacts) -> list[Section]:
    reference = "4.7"
    sections = [
        Section(title="Performance overall", reference=reference, items=gate_items(facts, "performance")),
        Section(title="Performance by group", reference=reference, items=gate_items(facts, "fairness", together=False)),
        Section(
            title="Performance by groups taken together",
            reference=reference,
            items=gate_items(facts, "fairness", together=True),
        ),
        Section(title="Performance under damage", reference=reference, items=gate_items(facts, "robustness")),
        Section(title="What the scores hang on", reference=reference, items=importance_items(facts)),
    ]
    if "canary" in facts.verdicts:
        sections.insert(
            4, Section(title="Performance in service", reference=reference, items=gate_items(facts, "canary"))
        )
    return sections


def _ethics(facts: CardFacts) -> Section:
    data = facts.policy.data
    read = [column for column in data.sensitive if column in {*data.features, *decides_by(facts)}]
    told = f"the model reads {', '.join(read)}" if read else f"the model reads none of {', '.join(data.sensitive)}"
    return _asked(
        "Ethical considerations",
        "4.8",
        Fact(name="Sensitive data", value=told, source=f"{POLICY_FILE}: data"),
        Fact(name="Risk tier", value=facts.policy.risk_tier, source=f"{POLICY_FILE}: risk_tier"),
        Fact(name="Decisions about human life", value=None),
        _mitigation(facts),
        Fact(name="Risks and harms", value=None),
        Fact(name="Uses that are fraught", value=None),
    )


def _mitigation(facts: CardFacts) -> Fact:
    """What made this model of one that the fairness gate had refused."""
    made = mitigation(facts)
    if made is None:
        return Fact(name="Mitigations", value=None)
    told = made.facts
    on = f" on {words.listed(told['attributes'])}" if told.get("attributes") else ""
    note = (
        f"; it decides by them, and the policy says why that is lawful: {told['legal_note']}"
        if told.get("legal_note")
        else ""
    )
    value = (
        f"{words.plain(told['method'])}{on}, of the model {words.short(told['from'])}, which failed the fairness gate"
    )
    return Fact(name="Mitigations", value=value + note, source=facts.source(made))


def _caveats(facts: CardFacts) -> Section:
    return Section(
        title="Caveats and recommendations",
        reference="4.9",
        items=[
            unclean(facts),
            Facts(
                facts=[
                    Fact(name="Groups not in the evaluation data", value=None),
                    Fact(name="Further testing", value=None),
                    Fact(name="Recommendations", value=None),
                ]
            ),
        ],
    )


def _algorithm(facts: CardFacts) -> str | None:
    digest = facts.told("request", "train_sha256")
    return None if digest is None else f"as inputs/train.py says, SHA-256 {digest}"


def _parameters(facts: CardFacts) -> dict[str, object]:
    return dict(facts.told("training", "parameters") or {})


def rival(facts: CardFacts) -> str | None:
    """The version that this one was compared with; None where none served."""
    verdict = facts.verdicts.get("performance")
    sides = (side for check in (verdict.checks if verdict else ()) for side in check.groups or ())
    return next((side["version"] for side in sides if side.get("version", "").isdigit()), None)
