"""Waivers of a toy model's checks, and two people who may sign them."""

from datetime import date, timedelta

from tests.evidence.policies import policy_of

from assay.core import Check, Judgement, Outcome, Stopwatch, Subject, bind, decide
from assay.evidence.waivers import propose
from assay.policy import TIERS, parse_policy
from assay.registry.keys import add_person, create_keys

TODAY = date(2026, 3, 3)
ABOUT = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="toy-1", code_version="d" * 64)


def keys_of_two(folder):
    """Keys of the platform in a folder, and those of ann and bob in files beside."""
    create_keys(folder)
    for name in ("ann", "bob"):
        add_person(folder, name, folder / f"{name}.pem")
    return folder


def policy(tier="low"):
    return parse_policy(policy_of("toy", tier), "policy.yaml")


def proposal(*, tier="low", check="fairness/tpr_difference/sex", days=10, owner="ann", today=TODAY, reason="few rows"):
    expires = (today + timedelta(days=days)).isoformat()
    return propose(policy(tier), check=check, reason=reason, expires=expires, owner=owner, today=today)


def verdict(*checks):
    return bind("fairness", Judgement(outcome=decide(checks), checks=checks), ABOUT, Stopwatch()).numbered(
        attempt=1, previous=None
    )


def check(name="tpr_difference", attribute="sex", outcome=Outcome.FAIL, severity="critical"):
    return Check(name=name, attribute=attribute, outcome=outcome, severity=severity, reason="r")


def doubts(waiver, keyring, tier="low", today=TODAY):
    return waiver.doubts(keyring, TIERS[tier], today=today)
