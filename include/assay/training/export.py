"""From a fitted scikit-learn pipeline to the ONNX bytes that are gated and served."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from assay.core import Problem, UserError
from assay.training.onnx_model import META_MODEL, META_NEGATIVE, META_POSITIVE, META_THRESHOLD, Kind, OnnxModel

PARITY = 1e-5  # largest difference allowed between sklearn's and ONNX Runtime's probability


def export(
    pipeline: Pipeline, *, kinds: Mapping[str, Kind], model: str, classes: tuple[str, str], threshold: float
) -> bytes:
    """Convert a fitted pipeline; the same pipeline gives the same bytes.

    Parameters
    ----------
    pipeline
        Fitted on columns named as in `kinds`.
    kinds
        Feature name to kind, in the order of the training frame.
    model, classes, threshold
        Written into the file's metadata: the decision rule belongs to the bytes that are gated.

    Raises
    ------
    UserError
        Naming the pipeline's step that has no ONNX form.
    """
    import onnx

    converted = _convert(pipeline, kinds, model)
    metadata = {
        META_MODEL: model,
        META_NEGATIVE: classes[0],
        META_POSITIVE: classes[1],
        META_THRESHOLD: repr(threshold),
    }
    onnx.helper.set_model_props(converted, metadata)
    content: bytes = converted.SerializeToString(deterministic=True)
    return content


def check_parity(
    pipeline: Pipeline, model: OnnxModel, *, frame: pd.DataFrame, inputs: Mapping[str, NDArray[Any]]
) -> float:
    """Compare both forms on the same rows.

    Returns
    -------
    float
        The largest absolute difference of the positive class's probability.

    Raises
    ------
    UserError
        When it exceeds `PARITY`, naming the first step after which the two disagree.
    """
    expected = pipeline.predict_proba(frame)[:, 1]
    gap = _gap(expected, model.score(inputs))
    if not gap <= PARITY:  # NaN must not pass
        raise _refused(
            _diverging_step(pipeline, model.inputs, frame, inputs),
            f"scores differ by up to {gap:.2g} between sklearn and ONNX, more than {PARITY:g}",
            "train on float32, and avoid steps whose ONNX form rounds differently",
        )
    return gap


def _convert(pipeline: Pipeline, kinds: Mapping[str, Kind], name: str) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = {"number": FloatTensorType, "text": StringTensorType}
    inputs = [(column, types[kind]([None, 1])) for column, kind in kinds.items()]
    last = pipeline.steps[-1][1]
    options = {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    try:
        return to_onnx(pipeline, name=name, initial_types=inputs, options=options)
    except Exception as error:  # skl2onnx raises many unrelated types
        step, reason = _unsupported_step(pipeline, error)
        raise _refused(step, f"does not convert to ONNX: {reason}") from error


def _gap(expected: NDArray[Any], found: NDArray[Any]) -> float:
    return float(np.max(np.abs(expected - found), initial=0.0))


def _diverging_step(
    pipeline: Pipeline, kinds: Mapping[str, Kind], frame: pd.DataFrame, inputs: Mapping[str, NDArray[Any]]
) -> str:
    """The first step whose output differs between the two forms; the last when the others agree."""
    import onnxruntime

    for position, (name, step) in enumerate(pipeline.steps[:-1], start=1):
        head = pipeline[:position]
        content = _convert(head, kinds, name).SerializeToString()
        found = onnxruntime.InferenceSession(content).run(None, {column: inputs[column] for column in kinds})[0]
        if not _gap(np.asarray(head.transform(frame), dtype=np.float64), found) <= PARITY:
            return f"{name} ({type(step).__name__})"
    name, step = pipeline.steps[-1]
    return f"{name} ({type(step).__name__})"


def _unsupported_step(pipeline: Pipeline, error: Exception) -> tuple[str, str]:
    """The step whose class the converter complains about; the whole pipeline if it names none."""
    text = str(error)
    for path, step in _steps(pipeline, ""):
        if f".{type(step).__name__}'" in text or f"'{type(step).__name__}'" in text:
            return f"{path} ({type(step).__name__})", "no converter is known for this step"
    return "pipeline", text.splitlines()[0] if text else type(error).__name__


def _steps(step: object, path: str) -> list[tuple[str, object]]:
    """Every estimator in a pipeline with its dotted path, innermost first."""
    children: list[tuple[str, object]] = []
    for attribute in ("steps", "transformers_", "transformer_list"):
        children += [(each[0], each[1]) for each in getattr(step, attribute, ())]
    found = [pair for name, child in children for pair in _steps(child, f"{path}.{name}" if path else name)]
    return [*found, (path or "pipeline", step)]


def _refused(step: str, message: str, mend: str = "use a step that skl2onnx supports") -> UserError:
    return UserError("training", [Problem(path=step, message=message, mend=mend)])
