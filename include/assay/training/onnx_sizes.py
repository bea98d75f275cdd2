"""Find where an ONNX graph lets the values of its inputs say how large a result is.

A trial bounds what a model costs on the rows that it was tried with. That holds for other rows only if sizes follow
from the number of rows and from constants: else one value of a feature could ask the gateway for a terabyte.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_SIZED_BY: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,), "Expand": (1,), "Tile": (1,), "Range": (0, 1, 2), "Pad": (1,), "Resize": (2, 3),
    "Upsample": (1,), "OneHot": (1,), "CenterCropPad": (1,), "HannWindow": (0,), "HammingWindow": (0,),
    "BlackmanWindow": (0,), "MelWeightMatrix": (0, 1), "DFT": (1,), "STFT": (1, 3), "AffineGrid": (1,), "Reshape": (1,),
    "MaxUnpool": (2,), "Col2Im": (1,),
}  # fmt: skip
"""Operator to the inputs by which it chooses the size of its result."""

_SIZE_ALONE = ("Shape", "Size")  # what they give depends on no value


def sized_by_values(graph: Any) -> list[str]:
    """The operators of a graph whose result is as large as some value of a feature says."""
    constants = {each.name for each in graph.initializer}
    values = {each.name for each in graph.input if each.name not in constants}
    while True:  # ONNX Runtime puts operators in order itself, so the order in the file is no help
        before, found = len(values), list(dict.fromkeys(_found(graph, values)))
        if len(values) == before:
            return found


def _found(graph: Any, values: set[str]) -> Iterator[str]:
    """Walk a graph; `values` gathers the names of what depends on the values of features."""
    for node in graph.node:
        given = list(node.input)
        if any(given[place] in values for place in _SIZED_BY.get(node.op_type, ()) if place < len(given)):
            yield node.op_type
        inner = [each for attribute in node.attribute for each in (attribute.g, *attribute.graphs) if each.node]
        for each in inner:
            values.update(name.name for name in each.input)  # what a loop's body is given
            yield from _found(each, values)
        depends = any(name in values for name in given) or any(out.name in values for g in inner for out in g.output)
        if node.op_type not in _SIZE_ALONE and depends:
            values.update(node.output)
