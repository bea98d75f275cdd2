"""How a card tells which rows a model was fitted on, chosen by and tested on."""

from assay.evidence.card import words
from assay.evidence.card.facts import POLICY_FILE, CardFacts
from assay.evidence.card.parts import Fact


def tested(facts: CardFacts) -> Fact:
    """How the rows for testing were chosen."""
    data, split = facts.policy.data, facts.policy.data.split
    told, by = "data.holdout" if split is None else "data.split", f"by a hash of {data.key}"
    share = words.percent(data.holdout if split is None else split.test)
    value = f"about {share} of all rows, {by}"
    if split is not None and split.by == "time":
        cut = facts.manifest.get("split", {}).get("cuts", {}).get("test")
        value = f"the latest {share} of all rows by {split.column or data.time}" + (f", from {cut}" if cut else "")
    elif split is not None and split.by == "group":
        value = f"about {share} of the groups of {split.column}, by a hash"
    elif split is not None and split.duplicates == "together":
        value = f"about {share} of all rows, by a hash of their features"
    if split is not None and split.duplicates == "together":
        value += "; rows with the same features stay together"
    return Fact(name="How they were chosen", value=value, source=f"{POLICY_FILE}: {told}")


def validation(facts: CardFacts) -> tuple[Fact, ...]:
    """How many rows were kept to choose by, and what chose by them; nothing for a policy that keeps none."""
    rows = facts.told("training", "validation_rows")
    if not rows:
        return ()
    use = facts.told("training", "validation_for") or "nothing"
    value = f"{rows:,}, not trained on; used by {'train()' if use == 'train' else use}"
    return (Fact(name="Validation rows", value=value, source=facts.from_event("training")),)
