"""What is judged from a stored verdict is what measuring again would give; where that cannot be, nothing is said."""

import json
from dataclasses import replace

import pytest
from tests.evidence.support import files_of, make_case
from tests.pipeline.support import POLICY

from assay.core import Outcome, Stopwatch, Subject, Verdict, bind, canonical_json
from assay.evidence.judging import GATES, broken, judge_gate
from assay.evidence.restate import restate
from assay.evidence.training import train
from assay.policy import Policy
from assay.training.onnx_model import OnnxModel

OLD = {
    "performance": {
        "draws": 100,
        "checks": [{"metric": "auc", "min": 0.6}, {"metric": "brier", "max": 0.5}],
        "champion": [{"metric": "auc", "margin": 0.5}],
    },
    "fairness": {
        "groups": ["sex", ["word", "sex"]],
        "min_group_size": 20,
        "checks": [{"metric": "tpr", "max": 0.6}, {"metric": "selection_rate", "compare": "ratio", "min": 0.1}],
    },
    "robustness": {
        "draws": 100,
        "checks": [
            {"scenario": "unknown_category", "share": 0.1, "metric": "auc", "max_drop": 0.4},
            {"scenario": "noise", "share": 0.5, "metric": "auc", "max_drop": 0.4},
        ],
    },
}
RIVALS = [None, 7]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    begun, module = make_case(
        tmp_path_factory.mktemp("restate"), gates=OLD, data={**POLICY["data"], "sensitive": ["sex", "word"]}
    )
    return replace(begun, onnx=OnnxModel(train(begun, files_of(module)).onnx))


@pytest.fixture(scope="module")
def rival(case):
    parts = case.policy.model_dump(by_alias=True) | {"training": {"parameters": {"C": 0.001}}}
    other = replace(case, policy=Policy.model_validate(parts))
    return OnnxModel(train(other, files_of(case.contract.with_name("train.py"))).onnx)


def recorded(case, gate):
    """The verdict as a dossier gives it back."""
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="")
    verdict = bind(gate, judge_gate(case, gate), subject, Stopwatch())
    return Verdict.from_dict(json.loads(canonical_json(verdict.to_dict())))


def under(case, gates):
    parts = case.policy.model_dump(by_alias=True)
    return Policy.model_validate({**parts, "gates": {**parts["gates"], **gates}})


def part(gate, **changes):
    return {gate: {**OLD[gate], **changes}}


def check(metric, **limits):
    return {"metric": metric, **limits}


def drop(scenario, share, limit, metric="auc"):
    return {"scenario": scenario, "share": share, "metric": metric, "max_drop": limit}


# limits, severities and the order of checks may change: the numbers do not know of them
HELD = [
    part("performance", checks=[check("auc", min=0.999), check("brier", max=0.5)]),
    part("performance", checks=[check("brier", max=0.01), check("auc", min=0.6, severity="warning")]),
    part("performance", checks=[check("auc", min=0.5, max=0.985), check("auc", min=0.985)]),
    part("performance", champion=[{"metric": "auc", "margin": 1e-9}]),
    part("fairness", checks=[check("tpr", max=0.01), check("selection_rate", compare="ratio", min=0.1)]),
    part("fairness", checks=[check("fpr", max=0.05)], confidence=0.5, min_group_size=300),
    part("fairness", groups=[["word", "sex"]], min_group_size=1),
    part("fairness", groups=[["sex", "word"], "sex"], min_group_size=1),
    part("fairness", checks=[check("ppv", compare="level", min=0.1), check("fnr", max=0.3)], reference={"sex": "F"}),
    part("robustness", checks=[drop("noise", 0.5, 1e-6), drop("unknown_category", 0.1, 0.4)]),
    part("robustness", checks=[drop("noise", 0.5, 0.05), drop("noise", 0.5, 0.02)]),
]
NOT_HELD = [
    part("performance", confidence=0.9),
    part("performance", cost={"currency": "USD", "tp": 0, "fp": 1, "fn": 2, "tn": 0, "max": 9}),
    part("performance", checks=[check("auc", min=0.6)]),  # fewer checks: each interval would be narrower
    part("performance", checks=[check("auc", min=0.6), check("ece", max=0.5)]),
    part("fairness", groups=["sex", "word"]),
    part("fairness", checks=[check("auc", compare="level", min=0.5)]),
    part("fairness", groups=["sex"], checks=[check("tpr", max=0.5, within="word")]),
    part("fairness", edges={"sex": [1.5]}),
    part("robustness", checks=[drop("noise", 0.4, 0.4), drop("unknown_category", 0.1, 0.4)]),
    part("robustness", checks=[drop("noise", 0.5, 0.4, "brier"), drop("unknown_category", 0.1, 0.4)]),
    part("robustness", checks=[*OLD["robustness"]["checks"], drop("missing", 0.1, 0.4)]),
    part("robustness", confidence=0.9),
    {"contract": {"label_leakage": {"max_auc": 0.99}}},
]


def told(judgement):
    """What was judged, apart from the names that tell two checks of one metric from each other."""
    return judgement.outcome, [
        (each.metric, each.compare, each.attribute, each.estimate, each.interval, each.confidence, each.limit,
         each.support, each.severity, each.outcome, each.reason)
        for each in judgement.checks
    ]  # fmt: skip


@pytest.mark.parametrize("version", RIVALS)
@pytest.mark.parametrize("gates", HELD)
def test_stored_numbers_give_what_measuring_again_gives(case, rival, gates, version):
    (gate,) = gates
    case = replace(case, champion=None if version is None else (version, rival))
    new = under(case, gates)
    found = restate(recorded(case, gate), case.policy, new)
    assert found is not None
    measured = judge_gate(replace(case, policy=new), gate)
    assert told(found) == told(measured)


@pytest.mark.parametrize("gates", NOT_HELD)
def test_what_the_verdict_does_not_hold_is_left_to_measuring(case, gates):
    (gate,) = gates
    assert restate(recorded(case, gate), case.policy, under(case, gates)) is None


def test_a_contract_is_measured_again_when_the_fairness_gate_asks_for_other_groups(case):
    assert (
        restate(recorded(case, "contract"), case.policy, under(case, part("fairness", groups=["sex", "word"]))) is None
    )


def test_the_limits_tried_change_outcomes(case):
    outcomes = {restate(recorded(case, next(iter(g))), case.policy, under(case, g)).outcome for g in HELD}
    assert outcomes == {Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE}


@pytest.mark.parametrize("gate", GATES)
def test_the_same_policy_gives_the_same_verdict(case, gate):
    verdict = recorded(case, gate)
    found = restate(verdict, case.policy, case.policy)
    assert (found.outcome, [replace(c, groups=None) for c in found.checks]) == (
        verdict.outcome,
        [replace(c, groups=None) for c in verdict.checks],
    )


def test_a_gate_that_broke_holds_nothing(case):
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="")
    verdict = bind("performance", broken("performance", "the disk is gone"), subject, Stopwatch())
    assert restate(verdict, case.policy, case.policy) is None


def test_a_comparison_that_nobody_asked_for_is_not_taken_for_one_without_a_champion(case):
    alone = under(case, part("performance", champion=[]))
    verdict = recorded(replace(case, policy=alone), "performance")
    assert restate(verdict, alone, case.policy) is None
    assert restate(recorded(case, "performance"), case.policy, alone) is not None


def test_what_two_models_gave_together_is_measured_again(case):
    verdict = recorded(case, "fairness")
    paid = replace(verdict.checks[0], name="accuracy_paid", attribute=None, groups=None)
    assert restate(replace(verdict, checks=[*verdict.checks, paid]), case.policy, case.policy) is None
