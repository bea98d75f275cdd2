"""Only files that Assay exported are scored."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from assay.core import MISSING, UserError, sha256_bytes
from assay.training.group_thresholds import GroupThresholds
from assay.training.onnx_model import META_NEGATIVE, META_POSITIVE, META_THRESHOLD, OnnxModel

META = {"model": "toy", "positive": "yes", "negative": "no", "threshold": "0.25"}


def identity(*, kind=TensorProto.FLOAT, outputs=("label", "probabilities"), **meta):
    """A model that hands its input on, once for each output."""
    nodes = [helper.make_node("Identity", ["x"], [name]) for name in outputs]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", kind, [None, 2])],
        [helper.make_tensor_value_info(name, kind, [None, 2]) for name in outputs],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {f"assay.{name}": value for name, value in meta.items()})
    return made.SerializeToString()


def test_the_decision_rule_is_read_from_the_bytes():
    content = identity(**META)
    model = OnnxModel(content)
    assert (model.name, model.classes, model.threshold) == ("toy", ("no", "yes"), 0.25)
    assert model.digest == sha256_bytes(content)
    assert model.inputs == {"x": "number"}
    scores = model.score({"x": np.array([[0.25, 0.75], [1, 0]], dtype=np.float32)})
    assert scores.tolist() == [0.75, 0.0]
    assert scores.dtype == np.float64


USES = {
    "name": lambda model: model.name,
    "inputs": lambda model: model.inputs,
    "threshold": lambda model: model.threshold,
    "classes": lambda model: model.classes,
    "score": lambda model: model.score({"x": np.zeros((1, 2), np.float32)}),
}
FOREIGN = {
    "garbage": (b"not a model", ["is not a readable ONNX model"]),
    "empty": (b"", ["is not a readable ONNX model"]),
    "torn": (identity(**META)[:60], ["is not a readable ONNX model"]),
    "another maker's": (identity(), [f"lacks the metadata assay.model, {META_POSITIVE}, {META_NEGATIVE}"]),
    "without threshold": (identity(**{**META, "threshold": "high"}), [f"has the {META_THRESHOLD[6:]} 'high'"]),
    "threshold of 1": (identity(**{**META, "threshold": "1.0"}), ["has the threshold '1.0'"]),
    "threshold of nothing": (identity(**{**META, "threshold": "nan"}), ["has the threshold 'nan'"]),
    "wrong in many ways": (
        identity(kind=TensorProto.INT64, outputs=("label",), model="toy"),
        ["lacks the metadata", "inputs that are neither float nor string: x (tensor(int64))", "has 1 outputs"],
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", FOREIGN)
def test_any_other_file_is_refused_at_its_first_use(kind, use):
    content, told = FOREIGN[kind]
    with pytest.raises(UserError) as raised:
        USES[use](OnnxModel(content))
    assert len(raised.value.problems) == len(told)
    for each, expected in zip(raised.value.problems, told, strict=True):
        assert re.search(re.escape(expected), each.message)


OWN = {"attributes": ["sex", "region"], "groups": [{"group": ["f", "n"], "threshold": 0.4}]}


def test_groups_decide_by_thresholds_of_their_own():
    model = OnnxModel(identity(**META, thresholds_by_group=json.dumps(OWN)))
    assert model.features == {"x": "number"}
    assert model.inputs == {"x": "number", "sex": "text", "region": "text"}
    columns = {
        "x": np.array([[0.7, 0.3], [0.7, 0.3], [0.5, 0.5], [0.7, 0.3]], dtype=np.float32),
        "sex": np.array([["f"], ["f"], ["f"], ["(missing)"]], dtype=object),
        "region": np.array([["n"], ["s"], ["n"], ["n"]], dtype=object),
    }
    score = model.score(columns)
    assert model.thresholds(columns).tolist() == [0.4, 0.25, 0.4, 0.25]
    assert model.decide(columns, score).tolist() == [False, True, True, True]


def test_without_groups_every_row_has_the_one_threshold():
    model = OnnxModel(identity(**META))
    assert (model.by_group, model.inputs) == (None, model.features)
    columns = {"x": np.array([[0.75, 0.25], [1, 0]], dtype=np.float32)}
    assert model.decide(columns, model.score(columns)).tolist() == [True, False]  # at the threshold is above it
    assert model.decide(columns, np.array([np.nan, 1.0])).tolist() == [False, True]


@pytest.mark.parametrize(
    "own",
    [
        "{",
        "[]",
        '{"attributes": [], "groups": []}',
        json.dumps({**OWN, "groups": [{"group": ["f"], "threshold": 0.4}]}),
        json.dumps({**OWN, "groups": [{"group": ["f", "n"], "threshold": 1.0}]}),
        json.dumps({**OWN, "groups": [{"group": ["f", "(missing)"], "threshold": 0.4}]}),
        json.dumps({**OWN, "groups": [{"group": ["f", 3], "threshold": 0.4}]}),
    ],
)
def test_thresholds_by_group_that_make_no_sense_are_refused(own):
    with pytest.raises(UserError, match="has thresholds by group that"):
        _ = OnnxModel(identity(**META, thresholds_by_group=own)).inputs


def test_groups_of_a_number_are_refused():
    own = json.dumps({"attributes": ["x"], "groups": []})
    with pytest.raises(UserError, match="has thresholds by groups of a number: x"):
        _ = OnnxModel(identity(**META, thresholds_by_group=own)).by_group


@given(
    st.dictionaries(
        st.tuples(st.text(), st.text()).filter(lambda group: MISSING not in group),
        st.floats(0, 1, exclude_min=True, exclude_max=True),
        max_size=5,
    )
)
def test_thresholds_by_group_read_back_as_they_were_written(by_group):
    own = GroupThresholds(attributes=("a", "b"), by_group=by_group)
    assert GroupThresholds.from_json(own.to_json()) == own
