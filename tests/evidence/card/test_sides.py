"""A card says which rows were fitted on, chosen by and tested on, whatever the split."""

import pytest
from tests.evidence.card.sample import event, facts, policy

from assay.evidence.card.build import card
from assay.evidence.card.parts import facts_of
from assay.policy import Split

TOGETHER = "; rows with the same features stay together"


def answers(**changes):
    return {fact.name: fact for fact in facts_of(card(facts(**changes)).model_card)}


def dealt(**split):
    plain = policy()
    return plain.model_copy(update={"data": plain.data.model_copy(update={"split": Split(**split)})})


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"test": 0.2}, f"about 20 % of all rows, by a hash of their features{TOGETHER}"),
        ({"test": 0.2, "duplicates": "apart"}, "about 20 % of all rows, by a hash of {key}"),
        ({"by": "group", "column": "home", "test": 0.2}, f"about 20 % of the groups of home, by a hash{TOGETHER}"),
        (
            {"by": "time", "column": "at", "test": 0.2, "duplicates": "apart"},
            "the latest 20 % of all rows by at, from 2024-05-01T00:00:00",
        ),
    ],
)
def test_the_rule_of_the_split_is_told(split, told):
    made = dealt(**split)
    manifest = {**facts().manifest, "split": {"cuts": {"test": "2024-05-01T00:00:00"}}}
    answer = answers(policy=made, manifest=manifest)["How they were chosen"]
    assert answer.value == told.format(key=made.data.key)
    assert answer.source == "policy.yaml: data.split"


def test_without_a_split_it_is_the_holdout():
    answer = answers()["How they were chosen"]
    assert answer.value == f"about 30 % of all rows, by a hash of {policy().data.key}"
    assert answer.source == "policy.yaml: data.holdout"


@pytest.mark.parametrize(
    ("use", "told"),
    [({}, "nothing"), ({"validation_for": "train"}, "train()"), ({"validation_for": "constraint"}, "constraint")],
)
def test_validation_rows_are_counted_with_what_used_them(use, told):
    given = facts()
    training = given.event("training").facts | {"validation_rows": 1200} | use
    at = given.records.index(given.event("training"))
    records = [*given.records[:at], event("training", **training).after(None), *given.records[at + 1 :]]
    answer = answers(records=records)["Validation rows"]
    assert answer.value == f"1,200, not trained on; used by {told}"
    assert answer.source


def test_where_there_are_none_nothing_is_said():
    assert "Validation rows" not in answers()
