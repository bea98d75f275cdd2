"""Which ONNX bytes from untrusted code are taken, and that the decision rule in them is ours alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.serving.support import onnx_model

from assay.core import UserError
from assay.training import onnx_check
from assay.training.group_thresholds import GroupThresholds
from assay.training.onnx_check import sealed
from assay.training.onnx_model import OnnxModel

KINDS = {"age": "number", "sector": "text"}
RULE = {"kinds": KINDS, "model": "toy", "classes": ("no", "yes"), "threshold": 0.4}


def parsed():
    return onnx.load_model_from_string(onnx_model(model="another", bias=0.5))


def reasons(model, **changes):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(UserError) as raised:
        sealed(content, **{**RULE, **changes})
    return "\n".join(str(each) for each in raised.value.problems)


def test_the_rule_in_the_bytes_is_the_one_that_is_given():
    found = OnnxModel(sealed(parsed().SerializeToString(), **RULE))
    assert (found.name, found.classes, found.threshold, found.by_group) == ("toy", ("no", "yes"), 0.4, None)
    own = GroupThresholds(attributes=("sector",), by_group={("private",): 0.7})
    assert OnnxModel(sealed(parsed().SerializeToString(), **RULE, by_group=own)).by_group == own


def test_what_training_wrote_into_the_metadata_is_dropped():
    model = parsed()
    helper.set_model_props(model, {"assay.threshold": "0.01", "assay.thresholds_by_group": "{}", "note": "mine"})
    content = sealed(model.SerializeToString(), **RULE)
    assert OnnxModel(content).threshold == 0.4
    assert {each.key for each in onnx.load_model_from_string(content).metadata_props} == {
        "assay.model", "assay.negative", "assay.positive", "assay.threshold",
    }  # fmt: skip


def test_the_same_bytes_and_rule_give_the_same_bytes_and_the_scores_stay():
    content = parsed().SerializeToString()
    first = sealed(content, **RULE)
    assert sealed(content, **RULE) == first == sealed(first, **RULE)
    rows = {"age": np.array([[30.0]], np.float32), "sector": np.array([["private"]], object)}
    assert OnnxModel(first).score(rows) == OnnxModel(onnx_model(model="toy", bias=0.5)).score(rows)


def test_unknown_fields_are_dropped():
    content = parsed().SerializeToString()
    hidden = b"\xfa\x3f\x06secret"  # field 1023, bytes
    assert b"secret" not in sealed(content + hidden, **RULE)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle", b"\x00" * 100])
def test_what_is_no_model_is_refused(content):
    assert "model.onnx" in reasons(content)


def test_a_model_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(onnx_check, "LARGEST", 10)
    assert "more than 10" in reasons(b"x" * 11)


def sized_by(name):
    """`name` says how large a constant is: a feature's value, or the number of rows."""
    nodes = [
        # on purpose not in the order in which they run
        helper.make_node("ConstantOfShape", ["long"], ["filled"]),
        helper.make_node("Cast", [name], ["long"], to=TensorProto.INT64),
        helper.make_node("Shape", ["age"], ["rows"]),
    ]

    def change(model):
        model.graph.node.extend(nodes)

    return change


def test_sizes_may_follow_from_the_number_of_rows_alone():
    model = parsed()
    sized_by("age")(model)
    assert "lets the values of features say how large the result of ConstantOfShape is" in reasons(model)
    model = parsed()
    sized_by("rows")(model)
    assert sealed(model.SerializeToString(), **RULE)


def external(model):
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.append(1)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def external_in_attribute(model):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def external_in_branch(model):
    branch = helper.make_graph([], "branch", [], [])
    branch.initializer.append(TensorProto(name="w", data_location=TensorProto.EXTERNAL))
    model.graph.node.append(helper.make_node("If", ["c"], ["u"], then_branch=branch, else_branch=branch))


def external_in_sparse(model):
    sparse = model.graph.sparse_initializer.add()
    sparse.values.data_location = TensorProto.EXTERNAL


@pytest.mark.parametrize("spoil", [external, external_in_attribute, external_in_branch, external_in_sparse])
def test_data_outside_the_file_is_refused_wherever_it_is_named(spoil):
    model = parsed()
    spoil(model)
    assert "keeps data outside the file" in reasons(model)


def node(*args, **more):
    return lambda model: model.graph.node.append(helper.make_node(*args, **more))


def in_branch(model):
    random = helper.make_node("RandomNormal", [], ["r"], shape=[1])
    branch = helper.make_graph([random], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["u"], then_branch=branch, else_branch=branch))


def deep(model):
    graph = helper.make_graph([], "end", [], [])
    for _ in range(30):
        inner = helper.make_node("If", ["c"], ["u"], then_branch=graph, else_branch=helper.make_graph([], "e", [], []))
        graph = helper.make_graph([inner], "g", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["u"], then_branch=graph, else_branch=graph))


def function(model):
    opset = [helper.make_opsetid("", 15)]
    model.functions.append(helper.make_function("own", "Trick", ["x"], ["y"], [], opset))


def opset(domain, version):
    return lambda model: model.opset_import.append(helper.make_opsetid(domain, version))


def turned_round(model):
    ends = list(model.graph.input)[::-1]
    del model.graph.input[:]
    model.graph.input.extend(ends)


def second_age(model):
    model.graph.initializer.append(helper.make_tensor("age", TensorProto.FLOAT, [1, 1], [1.0]))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (node("Evil", [], ["u"], domain="com.example"), "operator of the domain 'com.example'"),
        (node("NoSuchThing", [], ["u"]), "unknown operator 'NoSuchThing'"),
        (node("RandomUniform", [], ["u"], shape=[1]), "RandomUniform, whose answer is not fixed"),
        (node("Loop", [], ["u"]), "operator Loop"),
        (in_branch, "RandomNormal, whose answer is not fixed"),
        (deep, "nests graphs more than 16 deep"),
        (function, "defines functions of its own"),
        (opset("com.microsoft", 1), "version 1 of the operator set 'com.microsoft'"),
        (opset("", 99), "version 99 of the operator set 'ai.onnx'"),
        (lambda model: model.training_info.add(), "carries training information"),
        (second_age, "replaces features by constants"),
        (lambda model: model.graph.output.pop(), "has 1 outputs"),
        (lambda model: model.graph.input.pop(), "takes the inputs age, not the features age, sector"),
        (turned_round, "takes the inputs sector, age, not"),
    ],
)
def test_what_a_model_may_not_have_is_refused(spoil, reason):
    model = parsed()
    spoil(model)
    assert reason in reasons(model)


def test_everything_wrong_is_said_at_once():
    model = parsed()
    external(model)
    function(model)
    assert len(reasons(model).splitlines()) == 2
