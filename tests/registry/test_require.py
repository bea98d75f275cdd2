"""Whether a chain lets a run on: every gate good, for these very digests, each on top of those before it."""

import pytest
from tests.registry.support import SUBJECT, fresh_dossier, verdict

from assay.core import Outcome, Subject
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack

GATES = ("contract", "performance", "fairness")


@pytest.fixture
def dossier(mlflow_server):
    return fresh_dossier(mlflow_server)


def filled(dossier, **outcomes):
    dossier.append(verdict("contract", outcomes.get("contract", Outcome.PASS), model=None))
    for gate in GATES[1:]:
        dossier.append(verdict(gate, outcomes.get(gate, Outcome.PASS)))


def reasons(dossier, about=SUBJECT, gates=GATES, **kwargs):
    with pytest.raises(EvidenceError) as raised:
        dossier.require(gates, about, **kwargs)
    return raised.value.reasons


def test_all_gates_passed_lets_the_run_on(dossier):
    filled(dossier)
    assert [each.gate for each in dossier.require(GATES, SUBJECT)] == list(GATES)


def test_every_reason_is_listed_at_once(dossier):
    dossier.append(verdict("contract", Outcome.FAIL, model=None))
    dossier.append(verdict("performance", Outcome.ERROR))
    dossier.append(verdict("fairness", snapshot="toy-other", policy_sha256="b" * 64, model="e" * 64))
    assert reasons(dossier, gates=(*GATES, "robustness")) == (
        "contract: its verdict is FAIL",
        "performance: its verdict is ERROR",
        f"fairness: its verdict is about another policy_sha256: {'b' * 64}, not {'a' * 64}",
        "fairness: its verdict is about another snapshot: toy-other, not toy-0123456789abcdef",
        f"fairness: its verdict is about another model: {'e' * 64}, not {'c' * 64}",
        "robustness: no verdict",
    )


def test_inconclusive_goes_on_only_where_a_person_will_look(dossier):
    filled(dossier, performance=Outcome.INCONCLUSIVE, fairness=Outcome.INCONCLUSIVE)
    assert reasons(dossier, reviewed={"fairness"}) == ("performance: its verdict is INCONCLUSIVE",)
    assert len(dossier.require(GATES, SUBJECT, reviewed={"fairness", "performance"})) == 3


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR])
def test_review_does_not_let_a_failure_on(dossier, outcome):
    filled(dossier, fairness=outcome)
    assert reasons(dossier, reviewed=set(GATES)) == (f"fairness: its verdict is {outcome}",)


@pytest.mark.parametrize(("before", "after"), [(Outcome.PASS, Outcome.FAIL), (Outcome.FAIL, Outcome.PASS)])
def test_the_latest_verdict_counts(dossier, before, after):
    filled(dossier, performance=before)
    dossier.append(verdict("performance", after))
    if after is Outcome.PASS:
        assert dossier.require(GATES[:2], SUBJECT)[1].attempt == 2
    else:
        assert reasons(dossier, gates=GATES[:2]) == ("performance: its verdict is FAIL",)


def test_what_was_judged_on_an_earlier_verdict_has_lost_its_ground(dossier):
    filled(dossier)
    dossier.append(verdict("performance"))
    assert reasons(dossier) == ("fairness: its verdict is older than that of performance",)
    dossier.append(verdict("contract", model=None))
    assert reasons(dossier) == (
        "performance: its verdict is older than that of contract",
        "fairness: its verdict is older than that of contract, performance",
    )
    filled(dossier)
    assert [each.attempt for each in dossier.require(GATES, SUBJECT)] == [3, 3, 2]


def test_only_the_contract_may_be_judged_without_a_model(dossier):
    filled(dossier)
    dossier.append(verdict("fairness", model=None))
    assert reasons(dossier) == (f"fairness: its verdict is about another model: None, not {'c' * 64}",)
    before = Subject(model=None, policy_sha256="a" * 64, snapshot=SUBJECT.snapshot, code_version="x")
    assert dossier.require(["contract"], before)[0].gate == "contract"


def test_a_waived_verdict_goes_on_for_its_own_digest_alone(dossier):
    filled(dossier, performance=Outcome.FAIL)
    failed = dossier.verdicts()[1]
    assert len(dossier.require(GATES, SUBJECT, waived={failed.digest})) == 3
    again = dossier.append(verdict("performance", Outcome.FAIL))
    assert reasons(dossier, gates=GATES[:2], waived={failed.digest}) == ("performance: its verdict is FAIL",)
    assert len(dossier.require(GATES[:2], SUBJECT, waived={again.digest})) == 2
