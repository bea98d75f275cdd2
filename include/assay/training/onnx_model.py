"""The served form of a model: ONNX bytes that carry their own decision rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.core import Problem, UserError, sha256_bytes
from assay.training.group_thresholds import GroupThresholds

Kind = Literal["number", "text"]
_TEXT = "tensor(string)"
_KINDS: dict[str, Kind] = {"tensor(float)": "number", _TEXT: "text"}

# Keys of the ONNX file's metadata: the decision rule travels inside the bytes that are gated.
META_MODEL, META_POSITIVE, META_NEGATIVE, META_THRESHOLD = (
    f"assay.{name}" for name in ("model", "positive", "negative", "threshold")
)
META_BY_GROUP = "assay.thresholds_by_group"  # only where groups have thresholds of their own


def rule_metadata(
    *, model: str, classes: tuple[str, str], threshold: float, by_group: GroupThresholds | None
) -> dict[str, str]:
    """The decision rule as the file's metadata: name, negative and positive class, and thresholds."""
    rule = {META_MODEL: model, META_NEGATIVE: classes[0], META_POSITIVE: classes[1], META_THRESHOLD: repr(threshold)}
    return rule if by_group is None else rule | {META_BY_GROUP: by_group.to_json()}


def load_libraries() -> None:
    """Import what `OnnxModel` needs, which takes a while."""
    import onnxruntime  # noqa: F401


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
    def features(self) -> dict[str, Kind]:
        """What a score is made from: feature name to kind, in the model's own order."""
        return {each.name: _KINDS[each.type] for each in self._session.get_inputs()}

    @cached_property
    def inputs(self) -> dict[str, Kind]:
        """What a decision is made from: the features, then the attributes that choose the threshold."""
        deciding: dict[str, Kind] = dict.fromkeys(self.by_group.attributes if self.by_group else (), "text")
        return self.features | deciding

    @property
    def name(self) -> str:
        """The model that these bytes were made for."""
        return self._metadata[META_MODEL]

    @property
    def threshold(self) -> float:
        """A score at or above this decides for the positive class where `by_group` says nothing else; in (0, 1)."""
        return float(self._metadata[META_THRESHOLD])

    @cached_property
    def by_group(self) -> GroupThresholds | None:
        """The thresholds of the groups that have their own; None for a model that decides everybody alike."""
        text = self._metadata.get(META_BY_GROUP)
        return None if text is None else GroupThresholds.from_json(text)

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

        Raises
        ------
        UserError
            When the model fails on these rows, or answers with something else than probabilities of two classes.
        """
        given = {name: columns[name] for name in self.features}
        try:
            # output 0 is the decided class, output 1 the probabilities of both classes
            _, probabilities = self._session.run(None, given)
        except UserError:
            raise
        except Exception as error:  # onnxruntime's own errors share no base class
            raise _refused(f"cannot score rows: {str(error)[:500]}") from None
        rows = len(next(iter(given.values())))
        if not isinstance(probabilities, np.ndarray) or probabilities.shape != (rows, 2):
            raise _refused("does not answer with the probabilities of two classes for each row")
        return np.asarray(probabilities[:, 1], dtype=np.float64)

    def thresholds(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """The threshold of each row.

        Parameters
        ----------
        columns
            As for `score`; only the attributes that choose the threshold are read.

        Returns
        -------
        ndarray of shape (n,)
            In (0, 1).
        """
        if self.by_group is None:
            return np.full(len(next(iter(columns.values()))), self.threshold)
        return self.by_group.of(columns, plain=self.threshold)

    def decide(self, columns: Mapping[str, NDArray[Any]], score: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Turn scores into decisions: the one place where this is done.

        Parameters
        ----------
        columns
            `inputs` by name, each of shape (n, 1).
        score : ndarray of shape (n,)
            What `score` made of them.

        Returns
        -------
        ndarray of shape (n,)
            True where the positive class is decided for; False for a score that is NaN.
        """
        return np.asarray(score >= self.thresholds(columns), dtype=np.bool_)


def _flaws(session: Any) -> list[str]:
    """What keeps a readable ONNX model from being one of Assay's."""
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    missing = [key for key in (META_MODEL, META_POSITIVE, META_NEGATIVE, META_THRESHOLD) if key not in found]
    flaws = [f"lacks the metadata {', '.join(missing)}"] if missing else []
    if META_THRESHOLD in found and not _is_share(found[META_THRESHOLD]):
        flaws.append(f"has the threshold {found[META_THRESHOLD]!r}, which is not a number between 0 and 1")
    flaws += _group_flaws(session, found.get(META_BY_GROUP))
    odd = [f"{each.name} ({each.type})" for each in session.get_inputs() if each.type not in _KINDS]
    if odd:
        flaws.append(f"has inputs that are neither float nor string: {', '.join(odd)}")
    if len(session.get_outputs()) != 2:
        flaws.append(f"has {len(session.get_outputs())} outputs, not class and probabilities")
    return flaws


def _group_flaws(session: Any, text: str | None) -> list[str]:
    if text is None:
        return []
    try:
        own = GroupThresholds.from_json(text)
    except ValueError as error:
        return [f"has {error}"]
    numbers = [each.name for each in session.get_inputs() if each.name in own.attributes and each.type != _TEXT]
    return [f"has thresholds by groups of a number: {', '.join(numbers)}"] if numbers else []


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def _refused(*flaws: str) -> UserError:
    mend = "export it through Assay"
    return UserError("model", [Problem(path="model.onnx", message=flaw, mend=mend) for flaw in flaws])
