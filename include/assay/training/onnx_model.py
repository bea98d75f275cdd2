"""The served form of a model: ONNX bytes that carry their own decision rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, UserError, sha256_bytes

Kind = Literal["number", "text"]
_KINDS: dict[str, Kind] = {"tensor(float)": "number", "tensor(string)": "text"}

# Keys of the ONNX file's metadata: the decision rule travels inside the bytes that are gated.
META_MODEL, META_POSITIVE, META_NEGATIVE, META_THRESHOLD = (
    f"assay.{name}" for name in ("model", "positive", "negative", "threshold")
)


@dataclass(frozen=True)
class OnnxModel:
    """Scores rows with ONNX Runtime on one thread.

    Parameters
    ----------
    content
        The ONNX file's bytes.

    Raises
    ------
    UserError
        From any use, when the bytes are not an ONNX model that Assay made.
    """

    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return sha256_bytes(self.content)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base class
            raise UserError(
                "model", [Problem(path="model.onnx", message=f"is not a readable ONNX model: {error}")]
            ) from None

    @cached_property
    def _metadata(self) -> dict[str, str]:
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        missing = [key for key in (META_MODEL, META_POSITIVE, META_NEGATIVE, META_THRESHOLD) if key not in found]
        if missing:
            raise UserError(
                "model",
                [
                    Problem(
                        path="model.onnx",
                        message=f"lacks the metadata {', '.join(missing)}",
                        mend="export it through Assay",
                    )
                ],
            )
        return found

    @cached_property
    def inputs(self) -> dict[str, Kind]:
        """Feature name to kind, in the model's own order."""
        return {each.name: _KINDS[each.type] for each in self._session.get_inputs()}

    @property
    def name(self) -> str:
        """The model that these bytes were made for."""
        return self._metadata[META_MODEL]

    @property
    def threshold(self) -> float:
        """A score at or above this decides for the positive class; in (0, 1)."""
        return float(self._metadata[META_THRESHOLD])

    @property
    def classes(self) -> tuple[str, str]:
        """The negative and the positive class."""
        return self._metadata[META_NEGATIVE], self._metadata[META_POSITIVE]

    def score(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Score rows.

        Parameters
        ----------
        columns
            Feature name to an array of shape (n, 1): float32 for numbers, str objects for text.

        Returns
        -------
        ndarray of shape (n,)
            The probability of the positive class, in [0, 1].
        """
        # output 0 is the decided class, output 1 the probabilities of both classes
        _, probabilities = self._session.run(None, {name: columns[name] for name in self.inputs})
        return np.asarray(probabilities[:, 1], dtype=np.float64)
