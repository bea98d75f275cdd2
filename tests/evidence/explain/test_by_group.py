"""A row is explained by the threshold of its own group."""

import numpy as np
import pytest
from tests.serving.support import onnx_model

from assay.core import MISSING
from assay.evidence.explain.local import explain_inputs
from assay.training.group_thresholds import GroupThresholds
from assay.training.onnx_model import OnnxModel

OWN = GroupThresholds(attributes=("sex",), by_group={("f",): 0.7, ("m",): 0.8})
MODEL = OnnxModel(onnx_model(thresholds_by_group=OWN.to_json()))
AGES = np.arange(2, 82, 2, dtype=np.float32).reshape(-1, 1)
OTHERS = {"age": AGES, "sector": np.array([["private"], ["state"]] * 20, dtype=object)}


def explained(sex, age=40.0):
    row = {
        "age": np.array([[age]], dtype=np.float32),
        "sector": np.array([["private"]], dtype=object),
        "sex": np.array([[sex]], dtype=object),
    }
    return explain_inputs(
        model=MODEL, row=row, background=OTHERS, observed=OTHERS, mutable=["age"], snapshot="s", seed=0
    )


@pytest.mark.parametrize(("sex", "threshold"), [("f", 0.7), ("m", 0.8), (MISSING, 0.5), ("new", 0.5)])
def test_decision_and_way_out_are_those_of_the_row_s_group(sex, threshold):
    found = explained(sex)  # the score is 0.73
    assert found.threshold == threshold
    assert found.decision == (">50K" if found.score >= threshold else "<=50K")
    (other,) = found.counterfactuals
    assert (other.score >= threshold) != (found.score >= threshold)
    step = 0.05 * 2  # of the log-odds, to the next age that occurs
    at = np.log(other.score / (1 - other.score)) - np.log(threshold / (1 - threshold))
    assert abs(at) <= step + 1e-6  # the nearest age that turns it, and no further


def test_the_attribute_that_chooses_the_threshold_contributes_nothing_to_the_score():
    assert {each.feature for each in explained("f").contributions} == {"age", "sector"}
