"""Check ONNX bytes that untrusted code made, and write the decision rule into them."""

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core import Problem, UserError, problem
from assay.training.group_thresholds import GroupThresholds
from assay.training.onnx_model import Kind, rule_metadata
from assay.training.onnx_sizes import sized_by_values

LARGEST = 512 * 2**20
"""The most bytes of a model: protobuf itself ends at 2 GiB, and the gateway holds each model in memory."""

OPSETS: Mapping[str, tuple[int, int]] = {"": (9, 26), "ai.onnx.ml": (1, 5)}
"""The operator sets that a model may use: domain to its oldest and newest version."""

REFUSED = frozenset(
    ("Loop", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)
"""Operators that may never end, or whose answer changes from call to call: neither can be gated."""

_MOST_NODES = 200_000
_DEEPEST = 16
_MEND = "return a scikit-learn pipeline whose steps skl2onnx supports, and let Assay export it"


def load_libraries() -> None:
    """Import what `sealed` needs, which takes a while."""
    import onnx.checker  # noqa: F401


def sealed(
    content: bytes,
    *,
    kinds: Mapping[str, Kind],
    model: str,
    classes: tuple[str, str],
    threshold: float,
    by_group: GroupThresholds | None = None,
) -> bytes:
    """Check ONNX bytes and write the decision rule into them; the same bytes and rule give the same result.

    Whatever metadata and unknown fields the bytes carry are dropped: the name, the classes and the thresholds are
    ours to say.

    Parameters
    ----------
    content
        What training exported, at most `LARGEST` bytes.
    kinds
        Feature name to kind, in the order of the training frame: the model must take exactly these.
    model, classes, threshold, by_group
        The decision rule, as `assay.training.onnx_model.OnnxModel` reads it.

    Raises
    ------
    UserError
        Listing everything that the bytes may not have: unknown operators or operator sets, data outside the file,
        functions, other inputs or outputs.
    """
    import onnx

    if len(content) > LARGEST:
        message = f"has {len(content):,} bytes, more than {LARGEST:,}"
        raise problem("model.onnx", message, "train a smaller model: fewer or shallower trees")
    parsed = onnx.ModelProto()
    try:
        parsed.ParseFromString(content)
    except Exception as error:  # protobuf's own errors share no base class across its implementations
        raise problem("model.onnx", f"is not an ONNX model: {type(error).__name__}", _MEND) from None
    parsed.DiscardUnknownFields()
    flaws = list(dict.fromkeys(_flaws(parsed, kinds)))
    if flaws:
        raise UserError("model.onnx", [Problem(path="model.onnx", message=flaw, mend=_MEND) for flaw in flaws])
    rule = rule_metadata(model=model, classes=classes, threshold=threshold, by_group=by_group)
    onnx.helper.set_model_props(parsed, rule)  # in the place of whatever was there
    result: bytes = parsed.SerializeToString(deterministic=True)
    return result


def _flaws(model: Any, kinds: Mapping[str, Kind]) -> Iterator[str]:
    for each in model.opset_import:
        oldest, newest = OPSETS.get(each.domain, (1, 0))
        if not oldest <= each.version <= newest:
            yield f"uses version {each.version} of the operator set {each.domain or 'ai.onnx'!r}"
    if model.functions:
        yield "defines functions of its own"
    if model.training_info:
        yield "carries training information"
    yield from _wrong_ends(model.graph, kinds)
    # skl2onnx may name a set twice; ONNX Runtime then takes one of the two, and both are checked above
    opsets: dict[str, int] = {}
    for each in model.opset_import:
        opsets[each.domain] = max(each.version, opsets.get(each.domain, 0))
    yield from _graph_flaws(model.graph, opsets, depth=0)
    for name in sized_by_values(model.graph):
        yield f"lets the values of features say how large the result of {name} is"
    if sum(1 for _ in _nodes(model.graph, 0)) > _MOST_NODES:
        yield f"has more than {_MOST_NODES:,} operators"


def _wrong_ends(graph: Any, kinds: Mapping[str, Kind]) -> Iterator[str]:
    """Inputs that are not the features, and outputs that are not a class and its probabilities."""
    from onnx import TensorProto

    types = {"number": TensorProto.FLOAT, "text": TensorProto.STRING}
    constants = {each.name for each in graph.initializer}
    found = {each.name: each.type.tensor_type.elem_type for each in graph.input if each.name not in constants}
    if list(found.items()) != [(name, types[kind]) for name, kind in kinds.items()]:
        yield f"takes the inputs {', '.join(found) or 'none'}, not the features {', '.join(kinds)}"
    if constants & set(kinds):
        yield "replaces features by constants"
    if len(graph.output) != 2:
        yield f"has {len(graph.output)} outputs, not a class and its probabilities"


def _graph_flaws(graph: Any, opsets: Mapping[str, int], depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        yield f"nests graphs more than {_DEEPEST} deep"
        return
    for tensor in [*graph.initializer, *(each.values for each in graph.sparse_initializer)]:
        yield from _tensor_flaws(tensor)
    for node in graph.node:
        yield from _node_flaws(node, opsets)
        for attribute in node.attribute:
            for tensor in [attribute.t, *attribute.tensors, attribute.sparse_tensor.values]:
                yield from _tensor_flaws(tensor)
            for inner in _inner(attribute):
                yield from _graph_flaws(inner, opsets, depth + 1)


def _node_flaws(node: Any, opsets: Mapping[str, int]) -> Iterator[str]:
    from onnx import defs

    if node.domain not in opsets or node.domain not in OPSETS:
        yield f"uses an operator of the domain {node.domain[:80]!r}"
    elif node.op_type in REFUSED:
        yield f"uses the operator {node.op_type}, whose answer is not fixed by its input"
    elif not defs.has(node.op_type, domain=node.domain, max_inclusive_version=opsets[node.domain]):
        yield f"uses the unknown operator {node.op_type[:80]!r}"


def _tensor_flaws(tensor: Any) -> Iterator[str]:
    if tensor.external_data or tensor.data_location == tensor.EXTERNAL:
        yield "keeps data outside the file"


def _inner(attribute: Any) -> list[Any]:
    """The graphs in an attribute."""
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _nodes(graph: Any, depth: int) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in _inner(attribute) if depth < _DEEPEST else ():
                yield from _nodes(inner, depth + 1)
