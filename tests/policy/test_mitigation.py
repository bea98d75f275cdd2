"""What a policy may say of mitigation, and what it is told of anything else."""

import re
from pathlib import Path

import pytest
from tests.policy.test_loader import GOOD

from assay.core import UserError
from assay.policy import Constraint, Reweighing, Thresholds, parse_policy


def read(text):
    return parse_policy(f"{GOOD}mitigation: {text}\n".encode(), "policy.yaml").mitigation


def test_each_method_is_read_as_its_own_type():
    assert parse_policy(GOOD.encode(), "policy.yaml").mitigation is None
    assert read("{method: reweighing, attributes: [sex, race], max_accuracy_loss: 0.02}") == Reweighing(
        method="reweighing", attributes=["sex", "race"], max_accuracy_loss=0.02
    )
    blind = read("{method: thresholds, attributes: [sex], awareness: blind, target: equal_opportunity, max_gap: 0.05}")
    assert isinstance(blind, Thresholds)
    found = read("{method: constraint, attributes: [sex], constraint: equalized_odds, max_gap: 0.05, iterations: 3}")
    assert isinstance(found, Constraint)
    assert found.iterations == 3


AWARE = "method: thresholds, attributes: [sex], awareness: aware, target: equalized_odds, max_gap: 0.05"


WRONG = {
    "{attributes: [sex]}": ["mitigation.method: is missing"],
    "{method: weighing, attributes: [sex]}": [
        "mitigation.method: must be 'reweighing', 'thresholds', 'constraint', got 'weighing'"
    ],
    "3": ["mitigation: must be a mapping of keys to values, got 3"],
    "{method: reweighing}": ["mitigation.attributes: is missing"],
    "{method: reweighing, attributes: []}": ["mitigation.attributes: must not be empty, got []"],
    "{method: reweighing, attributes: [sex, sex]}": ["mitigation.attributes: named twice: sex"],
    "{method: reweighing, attributes: [age]}": [
        "policy: mitigation.attributes names columns that are not in data.sensitive: age"
    ],
    "{method: reweighing, attributes: [sex], legal_note: x}": [
        "mitigation.legal_note: unknown key (known: attributes, max_accuracy_loss, method)"
    ],
    "{method: constraint, attributes: [sex], constraint: demographic_parity, max_gap: 2, iteratons: 3}": [
        "mitigation.max_gap: must be less than 1, got 2",
        'mitigation.iteratons: unknown key (did you mean "iterations"?)',
    ],
    "{method: constraint, attributes: [sex]}": [
        "mitigation.constraint: is missing",
        "mitigation.max_gap: is missing",
    ],
    f"{{{AWARE}}}": ["mitigation: decides by sex: write in legal_note why that is lawful, or use awareness: blind"],
    f"{{{AWARE}, legal_note: '  '}}": ["mitigation.legal_note: string should have at least 1 character, got '  '"],
    f"{{{AWARE.replace('aware,', 'blind,')}, legal_note: x}}": [
        "mitigation: legal_note allows the attributes at decision time, and awareness: blind does not use them"
    ],
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_place(text):
    with pytest.raises(UserError) as raised:
        read(text)
    assert [str(each) for each in raised.value.problems] == WRONG[text]


def test_a_legal_note_allows_thresholds_by_group():
    found = read(f"{{{AWARE}, legal_note: 'section 12 of the act'}}")
    assert (found.awareness, found.legal_note) == ("aware", "section 12 of the act")


def test_a_number_that_the_audit_cuts_is_no_attribute():
    text = GOOD.replace("[sex, race]\n", "[sex, race, age_now]\n").replace(
        "groups: [sex, [sex, race]]", "groups: [age_now], edges: {age_now: [40]}"
    )
    with pytest.raises(UserError, match=r"columns that gates\.fairness\.edges cut: age_now; derive a column"):
        parse_policy(f"{text}mitigation: {{method: reweighing, attributes: [age_now]}}\n".encode(), "policy.yaml")


def test_what_the_guide_shows_is_a_policy():
    guide = (Path(__file__).resolve().parents[2] / "docs" / "mitigation.md").read_text(encoding="utf-8")
    shown = [
        parse_policy(f"{GOOD}{text}".encode(), "guide").mitigation
        for text in re.findall(r"```yaml\n(.*?)```", guide, re.S)
    ]
    assert [each.method for each in shown] == ["reweighing", "constraint", "thresholds"]
