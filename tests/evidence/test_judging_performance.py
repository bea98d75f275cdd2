"""All that a policy may ask of performance is judged from stored things, and again with the same answer."""

import json
from dataclasses import replace

import pytest
from tests.evidence.support import files_of, make_case
from tests.pipeline.support import POLICY

from assay.core import TIMED, Stopwatch, Subject, Verdict, bind, canonical_json
from assay.evidence.addresses import check_addresses
from assay.evidence.compare import address, differences
from assay.evidence.judging import judge_gate
from assay.evidence.restate import restate
from assay.evidence.training import train
from assay.gates.performance import check_names
from assay.policy import Policy, load_folder
from assay.training.onnx_model import OnnxModel

GATE = {
    "checks": [{"metric": "auc", "min": 0.6}, {"metric": "f1", "min": 0.1}],
    "champion": [{"metric": "brier", "margin": 0.5}, {"metric": "recall", "margin": 0.5}],
    "slices": ["sex", ["sex", "word"]],
    "min_slice_size": 20,
    "floors": [{"metric": "log_loss", "max": 2}],
    "weak_slices": {"max_excess": 2, "min_size": 40},
    "cost": {"currency": "USD", "tp": -1, "fp": 1, "fn": 2, "tn": 0, "max": 5, "margin": 5},
    "latency": [{"rows": 1, "p50_ms": 1000, "p99_ms": 10000}],
    "size_mb": 10,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("performance")


@pytest.fixture(scope="module")
def case(folder):
    begun, module = make_case(folder, gates={**POLICY["gates"], "performance": GATE})
    onnx = OnnxModel(train(begun, files_of(module)).onnx)
    return replace(begun, onnx=onnx, champion=(3, onnx))


def recorded(case):
    """The verdict as a dossier gives it back."""
    subject = Subject(model=None, policy_sha256=None, snapshot=None, code_version="")
    verdict = bind("performance", judge_gate(case, "performance"), subject, Stopwatch())
    return Verdict.from_dict(json.loads(canonical_json(verdict.to_dict())))


def test_every_check_is_judged_and_addressed(case, folder):
    verdict = recorded(case)
    names = check_names(case.policy.gates.performance, rival=True)
    assert [(check.name, check.attribute) for check in verdict.checks] == names
    assert {"sex", "slice", "score"} <= {next(iter(group.group)) for group in verdict.groups}
    known = check_addresses(load_folder(next((folder / "models").iterdir())))
    assert {address("performance", check) for check in verdict.checks} <= set(known)
    versions = [check.groups for check in verdict.checks if check.compare == "difference"]
    assert versions == [({"version": "candidate"}, {"version": "3"})] * 3


def test_a_replay_agrees_whatever_the_clock_shows(case):
    one, other = recorded(case), recorded(case)
    assert differences(one, other) == []
    times = [[check.estimate for check in each.checks if check.compare == TIMED] for each in (one, other)]
    assert times[0] != times[1]


def test_attempts_are_those_of_the_case(case):
    judged = judge_gate(replace(case, attempts={"performance": 4, "robustness": 2}), "performance")
    assert judged.budget is not None
    assert judged.budget.attempt == 4
    assert judge_gate(replace(case, attempts={"robustness": 2}), "robustness").budget.attempt == 2


def test_limits_are_held_against_stored_numbers_only_where_the_other_parts_stay(case):
    def under(**changes):
        parts = case.policy.model_dump(by_alias=True)
        parts["gates"]["performance"] = {**GATE, **changes}
        return Policy.model_validate(parts)

    verdict = recorded(case)
    stricter = under(checks=[{"metric": "auc", "min": 0.9999}, {"metric": "f1", "min": 0.1}])
    held = restate(verdict, case.policy, stricter)
    assert held is not None
    assert held.checks[0].limit.min == 0.9999
    assert held.checks[4:] == list(verdict.checks[4:])
    assert restate(verdict, case.policy, under(floors=[{"metric": "log_loss", "max": 1}])) is None
    assert restate(verdict, case.policy, under(size_mb=1)) is None
