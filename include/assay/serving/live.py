"""What a gateway process has loaded for one model, swapped as a whole between requests."""

from dataclasses import dataclass

from assay.rollout import Deployment, ModelRef
from assay.training.onnx_model import OnnxModel


@dataclass(frozen=True, slots=True)
class Version:
    """A version, its loaded model, and the signature that vouches for it."""

    ref: ModelRef
    model: OnnxModel
    signature: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """The versions that answer for a model, and the split between them.

    Attributes
    ----------
    deployment
        The assignment that this came from.
    champion, canary
        The loaded versions; None where there is none, or where it could not be loaded.
    problem
        Why what is loaded is not all of what the newest deployment asks for; empty when it is.
    lost
        The same for its champion alone.
    """

    deployment: Deployment
    champion: Version | None
    canary: Version | None
    problem: str = ""
    lost: str = ""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.deployment.model

    @property
    def share(self) -> int:
        """Percent of entities that the canary serves."""
        return self.deployment.share

    @property
    def epoch(self) -> int:
        """The deployment's epoch."""
        return self.deployment.epoch
