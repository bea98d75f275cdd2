"""A model's file, as the gate commands read it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.training.onnx_model import Kind, OnnxModel


def read_model(path: Path, mistakes: "Mistakes") -> "tuple[OnnxModel, dict[str, Kind], str | None]":
    """The model, its features and its positive class; without the latter two when it cannot be read."""
    from assay.training.onnx_model import OnnxModel

    model, own = OnnxModel(b""), None
    features: dict[str, Kind] = {}
    try:
        model = OnnxModel(path.read_bytes())
    except OSError as error:
        mistakes.add(str(path), f"cannot be read: {error.strerror}")
        return model, features, own
    with mistakes.gathered():
        own = model.classes[1]  # a model without Assay's metadata stops here
        features = model.inputs
    return model, features, own
