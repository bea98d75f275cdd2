"""A gate's judgement follows from stored things alone, and is the one that the gate itself gives."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evidence.support import files_of, make_case
from tests.pipeline.support import POLICY

from assay.core import Outcome, UserError
from assay.data.features import encode, model_inputs
from assay.evidence.judging import GATES, judge_gate
from assay.evidence.training import train
from assay.gates import contract, fairness, performance, robustness
from assay.gates.contract import builtin
from assay.training.onnx_model import OnnxModel

RIVAL = {
    **POLICY["gates"],
    "performance": {**POLICY["gates"]["performance"], "champion": [{"metric": "auc", "margin": 0.5}]},
}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    begun, module = make_case(tmp_path_factory.mktemp("case"), gates=RIVAL)
    return replace(begun, onnx=OnnxModel(train(begun, files_of(module)).onnx))


def rival(case, seed=9):
    """Another model of the same data."""
    policy = case.policy.model_copy(
        update={"training": case.policy.training.model_copy(update={"parameters": {"C": 0.01}})}
    )
    return OnnxModel(train(replace(case, policy=policy, seed=seed), files_of(case.contract.with_name("train.py"))).onnx)


def said(judgement):
    return judgement.outcome, list(judgement.checks), list(judgement.groups)


def test_every_gate_says_what_measuring_and_judging_by_hand_says(case):
    rows = case.snapshot.table().filter(case.held_out)
    label = np.array([each == "yes" for each in rows["y"].to_pylist()])
    inputs = model_inputs(rows, case.onnx.inputs)
    score, gates = case.onnx.score(inputs), case.policy.gates
    beyond = builtin.measure(
        files=case.snapshot.files(),
        roles=builtin.Roles.of(case.policy.data),
        policy=gates.contract,
        split=builtin.Split(training=case.trained_on, testing=case.held_out),
        fairness=gates.fairness,
    )
    met = contract.measure(files=case.snapshot.files(), suite=contract.load_suite(case.contract))
    by_hand = {
        "contract": contract.judge(replace(met, beyond=beyond), gates.contract),
        "performance": performance.judge(
            performance.measure(label=label, score=score, champion_score=None, policy=gates.performance, seed=1),
            gates.performance,
        ),
        "fairness": fairness.judge(
            fairness.measure(
                label=label,
                prediction=score >= 0.5,
                groups={"sex": encode(rows["sex"], "text")[:, 0]},
                policy=gates.fairness,
            ),
            gates.fairness,
        ),
        "robustness": robustness.judge(
            robustness.measure(score=case.onnx.score, inputs=inputs, label=label, policy=gates.robustness, seed=1),
            gates.robustness,
        ),
    }
    assert {gate: said(judge_gate(case, gate)) for gate in GATES} == {gate: said(by_hand[gate]) for gate in GATES}
    assert {judgement.outcome for judgement in by_hand.values()} == {Outcome.PASS}


def test_judging_twice_gives_the_same_and_another_seed_another_damage(case):
    other = replace(case, seed=2)
    assert judge_gate(other, "performance") == judge_gate(case, "performance")
    assert judge_gate(replace(case), "robustness") == judge_gate(case, "robustness")
    assert judge_gate(other, "robustness").checks[0].estimate != judge_gate(case, "robustness").checks[0].estimate


def test_a_comparison_names_the_champion_that_it_was_made_with(case):
    level, against = judge_gate(replace(case, champion=(7, rival(case))), "performance").checks
    assert level.groups is None
    assert list(against.groups) == [{"version": "candidate"}, {"version": "7"}]
    assert against.estimate != 0


def test_a_policy_that_asks_for_no_comparison_gets_none(case):
    gates = case.policy.gates
    alone = gates.model_copy(update={"performance": gates.performance.model_copy(update={"champion": []})})
    without = replace(case, policy=case.policy.model_copy(update={"gates": alone}), champion=(7, case.onnx))
    assert [check.name for check in judge_gate(without, "performance").checks] == ["auc"]


@pytest.mark.parametrize("gate", ["performance", "fairness", "robustness"])
def test_a_model_is_not_judged_before_there_is_one(case, gate):
    with pytest.raises(UserError, match="there is no model to judge"):
        judge_gate(replace(case, onnx=None), gate)


def test_training_again_gives_the_same_bytes(case):
    module = case.contract.with_name("train.py")
    first, second = train(case, files_of(module)), train(replace(case), files_of(module))
    assert first.onnx == second.onnx == case.onnx.content
    assert first.training_rows + first.holdout_rows == case.snapshot.rows
    assert first.holdout_rows == int(case.held_out.sum())
    assert 0 <= first.parity <= 1e-5
    assert dict(first.kinds) == {"x": "number", "word": "text"}


def test_a_contract_that_went_missing_is_told(case, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        judge_gate(replace(case, contract=tmp_path / "contract.json"), "contract")


def test_a_positive_class_that_the_snapshot_does_not_have_is_refused(case):
    policy = case.policy.model_copy(update={"data": case.policy.data.model_copy(update={"positive": "maybe"})})
    with pytest.raises(UserError, match="a label has two, one being `positive`"):
        train(replace(case, policy=policy), files_of(case.contract.with_name("train.py")))


def test_thresholds_by_a_number_are_refused_before_anything_is_trained(tmp_path):
    """A request may write 1 for what the data hold as 1.0, and would be decided by nobody's threshold."""
    mitigation = {
        "method": "thresholds", "awareness": "aware", "target": "demographic_parity", "max_gap": 0.1,
        "legal_note": "asked for by law", "attributes": ["x"],
    }  # fmt: skip
    data = {**POLICY["data"], "features": ["word"], "sensitive": ["sex", "x"]}
    case, _ = make_case(tmp_path, data=data, mitigation=mitigation)
    with pytest.raises(UserError, match="groups by numbers: x"):
        train(case, {}, mitigated=True)
