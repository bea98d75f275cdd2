"""Events in words: every kind that is written has its sentence, and no facts can break a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import Event
from assay.governance.told import told

KNOWN = {
    "request": ({"requester": None, "reason": "drift"}, "Asked for by the schedule: drift"),
    "snapshot": (
        {"snapshot": "toy-1", "rows": 48842, "source": "adult.parquet"},
        "Fixed the data as toy-1: 48,842 rows of adult.parquet.",
    ),
    "training": (
        {"candidate": "m-1", "seed": 7, "training_rows": 1043, "holdout_rows": 457},
        "Trained the candidate m-1 with seed 7 on 1,043 rows, 457 held out.",
    ),
    "mitigation": (
        {"from": "1" * 64, "to": "2" * 64, "method": "group_thresholds", "attributes": ["sex", "race"]},
        "Made the model 222222222222 from 111111111111, which the fairness gate had refused, "
        "by group thresholds on sex, race.",
    ),
    "waiver": (
        {
            "gate": "fairness", "waived_check": "tpr_difference", "waived_attribute": None, "id": "0a1b",
            "owner": "ann", "expires": "2026-05-31", "reason": "few rows",
        },
        "fairness/tpr_difference went on by the waiver 0a1b of ann, until 2026-05-31: few rows",
    ),
    "registration": ({"version": 3}, "Registered as version 3."),
    "card": ({"version": 3}, "Wrote the model card of version 3."),
    "approval_request": ({"role": "risk_officer", "version": 3}, "Asked the risk officer about version 3."),
    "invalid_answer": (
        {"role": "model_owner", "who": "engineer", "why": "asked for this run and so cannot approve it"},
        "An answer as model owner did not count: engineer asked for this run and so cannot approve it. "
        "The question stayed open.",
    ),
    "rollout": (
        {"version": 3, "from_stage": "shadow", "to_stage": "canary 5 %", "reason": ""},
        "Version 3 moved from shadow to canary 5 %.",
    ),
    "alias": ({"alias": "champion", "version": 3, "previous": 2}, "@champion names version 3, before it version 2."),
    "retirement": ({"version": 3, "reason": "withdrawn source"}, "Retired version 3: withdrawn source"),
    "expiry": (
        {"snapshot": "toy-1", "rows": 48842, "bytes": 1_250_000, "keep_until": "2026-03-31"},
        "Deleted the 48,842 rows of toy-1 (1.2 MB), which might be kept until 2026-03-31.",
    ),
    "restoration": (
        {"alias": "champion", "was": None, "now": "version 3", "incident": 9},
        "Set @champion back from nothing to version 3, which other hands had changed (incident 9).",
    ),
}  # fmt: skip


def event(kind, facts):
    return Event(event=kind, operation="o", by="run", at="2026-01-05T10:00:00Z", facts=facts)


@pytest.mark.parametrize("kind", KNOWN)
def test_every_kind_has_its_sentence(kind):
    facts, sentence = KNOWN[kind]
    assert told(event(kind, facts)) == sentence


def test_a_mitigated_candidate_is_told_as_one():
    facts = {"candidate": "m-2", "seed": 7, "training_rows": 9, "holdout_rows": 1, "mitigates": "1" * 64}
    assert told(event("training", facts)).startswith("Trained the candidate m-2, a mitigated one, with seed 7")


@pytest.mark.parametrize(
    ("use", "said"),
    [({}, "nothing"), ({"validation_for": "train"}, "train()"), ({"validation_for": "thresholds"}, "thresholds")],
)
def test_validation_rows_are_told_with_what_used_them(use, said):
    facts = {"candidate": "m-1", "seed": 7, "training_rows": 1043, "validation_rows": 1200, "holdout_rows": 457} | use
    assert told(event("training", facts)).endswith(f"457 held out, 1,200 for validation (used by {said}).")


@pytest.mark.parametrize(
    ("aside", "said"),
    [
        (12, "988 rows of a.csv; of 1,000 that were read, 12 were set aside."),
        (0, "a.csv; 12 of them are bad, and none was set aside."),
    ],
)
def test_rows_set_aside_are_told_with_the_snapshot(aside, said):
    facts = {"snapshot": "toy-1", "rows": 1000 - aside, "source": "a.csv"}
    facts["quarantine"] = {"rows_read": 1000, "rows_bad": 12, "rows_set_aside": aside}
    assert told(event("snapshot", facts)).endswith(said)


def test_an_alias_that_names_nothing_any_more():
    facts = {"alias": "canary", "version": None, "previous": 3}
    assert told(event("alias", facts)) == "@canary names nothing, before it version 3."


values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()))


@given(st.sampled_from([*KNOWN, "unheard_of"]), st.data())
def test_whatever_the_facts_are_there_is_a_sentence_or_none(kind, data):
    names = [*KNOWN.get(kind, ({}, ""))[0], "else"]
    assert isinstance(told(event(kind, data.draw(st.dictionaries(st.sampled_from(names), values)))), str)
