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
            session = onnxruntime.InferenceSession(self.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base class
            raise _refused(f"is not a readable ONNX model: {error}") from None
        flaws = _flaws(session)
        if flaws:
            raise _refused(*flaws)
        return session

    @cached_property
    def _metadata(self) -> dict[str, str]:
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
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


def _flaws(session: Any) -> list[str]:
    """What keeps a readable ONNX model from being one of Assay's."""
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    missing = [key for key in (META_MODEL, META_POSITIVE, META_NEGATIVE, META_THRESHOLD) if key not in found]
    flaws = [f"lacks the metadata {', '.join(missing)}"] if missing else []
    if META_THRESHOLD in found and not _is_share(found[META_THRESHOLD]):
        flaws.append(f"has the threshold {found[META_THRESHOLD]!r}, which is not a number between 0 and 1")
    odd = [f"{each.name} ({each.type})" for each in session.get_inputs() if each.type not in _KINDS]
    if odd:
        flaws.append(f"has inputs that are neither float nor string: {', '.join(odd)}")
    if len(session.get_outputs()) != 2:
        flaws.append(f"has {len(session.get_outputs())} outputs, not class and probabilities")
    return flaws


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _refused(*flaws: str) -> UserError:
    mend = "export it through Assay"
    return UserError("model", [Problem(path="model.onnx", message=flaw, mend=mend) for flaw in flaws])
