"""The addresses of checks, held to what the gates themselves name."""

from dataclasses import replace

import pytest
from tests.evidence.support import files_of, make_case
from tests.pipeline.support import POLICY

from assay.core import UserError
from assay.evidence.addresses import check_addresses, is_address
from assay.evidence.judging import GATES, judge_gate
from assay.evidence.training import train
from assay.gates.contract.builtin import CHECKS
from assay.policy import load_folder
from assay.training.onnx_model import OnnxModel


def test_they_are_what_the_gates_call_their_checks(tmp_path):
    gates = POLICY["gates"]
    limits = [{"metric": "auc", "min": 0.6}, {"metric": "auc", "max": 1.0}, {"metric": "brier", "max": 0.5}]
    drops = [{"scenario": "unknown_category", "share": share, "metric": "auc", "max_drop": 0.4} for share in (0.1, 0.2)]
    parts = {
        "performance": {**gates["performance"], "checks": limits, "champion": [{"metric": "auc", "margin": 0.5}]},
        "fairness": {
            **gates["fairness"],
            "groups": ["sex", "word"],
            "checks": [
                {"metric": "tpr", "max": 0.1, "groups": ["sex"]},
                {"metric": "tpr", "max": 0.2},
                {"metric": "fpr", "max": 0.2, "groups": ["word"]},
            ],
        },
        "robustness": {**gates["robustness"], "checks": drops},
    }
    data = {**POLICY["data"], "sensitive": ["sex", "word"]}
    mitigation = {"method": "reweighing", "attributes": ["sex"], "max_accuracy_loss": 0.1}
    case, module = make_case(tmp_path, gates=parts, data=data, mitigation=mitigation)
    model = OnnxModel(train(case, files_of(module)).onnx)
    case = replace(case, onnx=model, champion=(1, model), before=model)
    named = [
        "/".join(filter(None, [gate, check.name, check.attribute]))
        for gate in GATES
        for check in judge_gate(case, gate).checks
        if not check.name.endswith("_gained")  # which decides nothing, so that nobody need waive it
    ]
    known = check_addresses(load_folder(module.parent))
    built_in = {f"contract/{name}" for name in CHECKS}  # named without the column, which the data tell
    found = ["/".join(each.split("/")[:2]) for each in named]
    assert built_in <= set(known)
    assert sorted(set(known) - built_in) == sorted(
        each for each, short in zip(named, found, strict=True) if short not in built_in
    )
    assert built_in & set(found)
    assert len(set(named)) == len(named)


def test_a_contract_that_cannot_be_read_is_said(tmp_path):
    _, module = make_case(tmp_path)
    (module.parent / "contract.json").write_text("{")
    with pytest.raises(UserError, match="is not a contract that can be read"):
        check_addresses(load_folder(module.parent))


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("fairness/tpr_difference/sex", True),
        ("fairness/tpr_difference", True),
        ("fairness/tpr_differenc", False),
        ("fairness/tpr_difference/race", False),
        ("fairness", True),  # a gate alone is refused before: it names no check
        ("", False),
    ],
)
def test_an_address_names_a_check_or_all_its_attributes(address, named):
    assert is_address(address, ["fairness/tpr_difference/sex", "performance/auc"]) is named
