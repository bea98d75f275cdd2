"""The decision rule that a box claims is held to the policy, and its facts to a form that every page can show."""

import json

import pytest
from tests.evidence.support import make_case

from assay.core import UserError, canonical_json
from assay.evidence.decision_rule import read_rule

AWARE = {
    "method": "thresholds",
    "attributes": ["sex"],
    "awareness": "aware",
    "target": "demographic_parity",
    "max_gap": 0.1,
    "legal_note": "Allowed.\nBy counsel.",
}
OWN = {"attributes": ["sex"], "groups": [{"group": ["a"], "threshold": 0.4}]}


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    plain, _ = make_case(tmp_path_factory.mktemp("plain"))
    aware, _ = make_case(tmp_path_factory.mktemp("aware"), mitigation=AWARE)
    return {False: plain.policy, True: aware.policy}


def rule(policies, *, mitigated=False, **parts):
    content = {"threshold": policies[mitigated].training.threshold, "by_group": None, "facts": {}} | parts
    return read_rule(json.dumps(content).encode(), policies[mitigated], mitigated=mitigated)


def test_what_is_known_for_certain_stands_in_the_place_of_what_the_box_says(policies):
    lies = {"threshold": 0.9, "by_group": [{"group": {"sex": "b"}, "threshold": 0.1}], "legal_note": "none"}
    found = rule(policies, mitigated=True, threshold=0.3, by_group=OWN, facts=lies | {"gap": 0.05})
    assert found.facts == {
        "gap": 0.05,
        "threshold": 0.3,
        "by_group": [{"group": {"sex": "a"}, "threshold": 0.4}],
        "legal_note": AWARE["legal_note"],
    }


def deep(levels):
    return [] if levels == 0 else [deep(levels - 1)]


ODD = {
    "an unknown fact": {"outcome": "PASS"},
    "nested too deep": {"weights": deep(10)},
    "too many entries": {"weights": [0] * 20_000},
    "not a number": {"gap": float("nan")},
    "infinity": {"gap": float("inf")},
    "an enormous number": {"gap": 10**30},
    "a lone surrogate": {"weights": "\ud800"},
    "a null character": {"weights": "\0"},
    "a long text": {"weights": "x" * 20_000},
    "too much together": {"weights": ["x" * 9_000] * 200},
    "a number as a name": {"weights": {"x" * 20_000: 1}},
}


@pytest.mark.parametrize("name", ODD)
def test_facts_that_a_page_could_not_show_are_refused(policies, name):
    with pytest.raises(UserError, match="not in the agreed form"):
        rule(policies, mitigated=True, facts=ODD[name])


TORN = [b"", b"[]", b"[" * 10_000, b"{}", b"1" * 10_000, b"null", b"\xff"] + [
    json.dumps({"threshold": 0.5, "by_group": None, "facts": {}} | odd).encode()
    for odd in (
        {"threshold": 10**400},
        {"threshold": []},
        {"by_group": 3},
        {"by_group": {"attributes": 1, "groups": []}},
        {"by_group": {"attributes": ["sex"], "groups": [{"group": ["f"], "threshold": 2}]}},
        {"facts": [1]},
    )
]


@pytest.mark.parametrize("content", TORN)
def test_another_form_is_refused_without_a_stack_trace(policies, content):
    with pytest.raises(UserError, match="not in the agreed form"):
        read_rule(content, policies[False], mitigated=False)


@pytest.mark.parametrize(
    "parts", [{"threshold": 0.01}, {"threshold": 0}, {"threshold": float("nan")}, {"by_group": OWN}]
)
def test_a_rule_that_the_policy_does_not_ask_for_is_refused(policies, parts):
    with pytest.raises(UserError, match="a decision rule that the policy does not ask for"):
        rule(policies, **parts)


def test_what_is_accepted_can_be_signed(policies):
    facts = {"not_compared": [{"word": "ü\n\t<script>"}], "gap": 0.1, "reached": True}
    assert canonical_json(rule(policies, mitigated=True, facts=facts).facts)
