"""From a fitted scikit-learn pipeline to the ONNX bytes that are gated and served."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from assay.core import Problem, UserError, problem
from assay.training.export_parity import PARITY, parity_gap
from assay.training.group_thresholds import GroupThresholds
from assay.training.onnx_model import Kind, OnnxModel, rule_metadata


def export(
    pipeline: Pipeline,
    *,
    kinds: Mapping[str, Kind],
    model: str,
    classes: tuple[str, str],
    threshold: float,
    by_group: GroupThresholds | None = None,
) -> bytes:
    """Convert a fitted pipeline; the same pipeline gives the same bytes.

    Parameters
    ----------
    pipeline
        Fitted on columns named as in `kinds`.
    kinds
        Feature name to kind, in the order of the training frame.
    model, classes, threshold, by_group
        Written into the file's metadata: the decision rule belongs to the bytes that are gated.

    Raises
    ------
    UserError
        Naming the pipeline's step that has no ONNX form, or attributes of `by_group` that are numbers.
    """
    import onnx

    numbers = [name for name in (by_group.attributes if by_group else ()) if kinds.get(name, "text") != "text"]
    if numbers:
        message = f"groups by numbers: {', '.join(numbers)}"
        raise problem("mitigation.attributes", message, "derive a column of text that holds the group")

    converted = _convert(pipeline, kinds, model)
    rule = rule_metadata(model=model, classes=classes, threshold=threshold, by_group=by_group)
    onnx.helper.set_model_props(converted, rule)
    # skl2onnx takes these from a set, whose order changes from process to process.
    opsets = sorted(converted.opset_import, key=lambda each: str(each.domain))
    del converted.opset_import[:]
    converted.opset_import.extend(opsets)
    content: bytes = converted.SerializeToString(deterministic=True)
    return content


def reference(pipeline: Pipeline) -> bytes:
    """The fitted pipeline itself in skops' format, to be looked at; it is never loaded to be served."""
    with warnings.catch_warnings():
        # skops asks every module there is for every function of SciPy. Airflow's old ones answer each time
        # with a warning, of this class: a thousand lines in the log of a task.
        warnings.simplefilter("ignore", FutureWarning)
        import skops.io

        content: bytes = skops.io.dumps(pipeline)
    return content


def predicted(pipeline: Pipeline, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Score rows that training has not seen with the pipeline itself.

    Returns
    -------
    ndarray of shape (n,)
        The probability of the positive class.

    Raises
    ------
    UserError
        When the pipeline cannot score these rows.
    """
    try:
        return np.asarray(pipeline.predict_proba(frame)[:, 1], dtype=np.float64)
    except Exception as error:  # a team's steps raise what they like
        reason = f"on held-out rows raised {type(error).__name__}: {error}"
        raise _refused("predict_proba", reason, "accept values that were not seen in training") from error


def check_parity(
    pipeline: Pipeline,
    model: OnnxModel,
    *,
    frame: pd.DataFrame,
    inputs: Mapping[str, NDArray[Any]],
    expected: NDArray[np.float64] | None = None,
) -> float:
    """Compare both forms on the same rows.

    Parameters
    ----------
    expected
        What `predicted` says of `frame`, where that is known already.

    Returns
    -------
    float
        The largest absolute difference of the positive class's probability.

    Raises
    ------
    UserError
        When it exceeds `PARITY`, naming the first step after which the two disagree, or when the
        pipeline cannot score these rows.
    """
    gap = parity_gap(predicted(pipeline, frame) if expected is None else expected, model.score(inputs))
    if not gap <= PARITY:  # NaN must not pass
        raise _refused(
            _diverging_step(pipeline, model.features, frame, inputs),
            f"scores differ by up to {gap:.2g} between sklearn and ONNX, more than {PARITY:g}",
            "train on float32, and avoid steps whose ONNX form rounds differently",
        )
    return gap


def _convert(pipeline: Pipeline, kinds: Mapping[str, Kind], name: str) -> Any:
    try:
        return _to_onnx(pipeline, kinds, name)
    except Exception as error:  # skl2onnx raises many unrelated types
        step, reason = _unsupported_step(pipeline, kinds, error)
        raise _refused(step, f"does not convert to ONNX: {reason}") from error


def _to_onnx(pipeline: Pipeline, kinds: Mapping[str, Kind], name: str) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = {"number": FloatTensorType, "text": StringTensorType}
    inputs = [(column, types[kind]([None, 1])) for column, kind in kinds.items()]
    last = pipeline.steps[-1][1]
    options = {id(last): {"zipmap": False}} if hasattr(last, "predict_proba") else None
    steps = [pair for pair in pipeline.steps if not isinstance(pair[1], str)]  # skl2onnx knows no "passthrough"
    return to_onnx(Pipeline(steps), name=name, initial_types=inputs, options=options)


def _diverging_step(
    pipeline: Pipeline, kinds: Mapping[str, Kind], frame: pd.DataFrame, inputs: Mapping[str, NDArray[Any]]
) -> str:
    """The first step whose output differs between the two forms; the last when the others agree."""
    import onnxruntime

    for position, (name, step) in enumerate(pipeline.steps[:-1], start=1):
        head = pipeline[:position]
        if isinstance(step, str):  # "passthrough" changes nothing
            continue
        content = _to_onnx(head, kinds, name).SerializeToString()
        found = onnxruntime.InferenceSession(content).run(None, {column: inputs[column] for column in kinds})[0]
        if not _agree(head.transform(frame), found):
            return _named(name, step)
    return _named(*pipeline.steps[-1])


def _agree(expected: Any, found: NDArray[Any]) -> bool:
    dense = np.asarray(expected.toarray() if hasattr(expected, "toarray") else expected)
    if dense.shape != found.shape:
        return False
    if dense.dtype.kind in "OUS":
        return bool((dense == found).all())
    return np.allclose(dense, found, rtol=PARITY, atol=PARITY, equal_nan=True)


def _unsupported_step(pipeline: Pipeline, kinds: Mapping[str, Kind], error: Exception) -> tuple[str, str]:
    """The first step with which the pipeline no longer converts, or the part of it that the error names."""
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    missing = isinstance(error, (MissingConverter, MissingShapeCalculator))
    reason = "no converter is known for this step" if missing else f"{type(error).__name__}: {text}"
    real = [n for n, (_, step) in enumerate(pipeline.steps[:-1], start=1) if not isinstance(step, str)]
    position = next((n for n in real if not _converts(pipeline[:n], kinds)), 0)
    for path, step in _parts(*pipeline.steps[position - 1]):
        if re.search(rf"\b{type(step).__name__}\b", text):
            return _named(path, step), reason
    return _named(*pipeline.steps[position - 1]), reason


def _converts(pipeline: Pipeline, kinds: Mapping[str, Kind]) -> bool:
    try:
        _to_onnx(pipeline, kinds, "part")
    except Exception:  # as above
        return False
    return True


def _parts(path: str, step: object) -> list[tuple[str, object]]:
    """Every estimator in a step with its dotted path, innermost first."""
    children: list[tuple[str, object]] = []
    for attribute in ("steps", "transformers", "transformer_list"):
        children += [(each[0], each[1]) for each in getattr(step, attribute, ()) if not isinstance(each[1], str)]
    return [*(part for name, child in children for part in _parts(f"{path}.{name}", child)), (path, step)]


def _named(path: str, step: object) -> str:
    return f"{path} ({type(step).__name__})"


def _refused(step: str, message: str, mend: str = "use a step that skl2onnx supports") -> UserError:
    return UserError("training", [Problem(path=step, message=message, mend=mend)])
