"""One thing that is not as the dossiers and the rollouts say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from assay.registry.dossier import Dossier

PREFIX = "audit:"
"""What the keys of an audit's incidents begin with: it closes no other."""

LAG = timedelta(minutes=5)
"""How long the pipeline may take from a move or a record to its image in MLflow before that counts as tampering."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """How to set an image back to what it is an image of.

    Attributes
    ----------
    dossier
        Where that is recorded; None where the thing belongs to none.
    apply
        Sets it back to what is true by then.
    facts
        What is set, from what, to what.
    """

    dossier: Dossier | None
    apply: Callable[[], None]
    facts: Mapping[str, str | int | None]


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """One out-of-band change.

    Attributes
    ----------
    key
        The same for the same place, whenever and by whomever it is seen.
    model, version
        Whom it concerns; `version` is None where no one version is.
    kind
        ``alias``, ``version``, ``tag``, ``row``, ``rollout``, ``file``, ``snapshot``, ``dossier``, ``anchors`` or
        ``unreadable``.
    message, mend
        What is wrong, and which way to mend it.
    repair
        None where only a person can.
    """

    key: str
    model: str
    version: int | None
    kind: str
    message: str
    mend: str
    repair: Repair | None = field(default=None, repr=False)


def key(*parts: str | int) -> str:
    """A key for a deviation, or the beginning of several.

    Examples
    --------
    >>> key("income", "alias", "champion")
    'audit:income:alias:champion'
    """
    return (PREFIX + ":".join(map(str, parts)))[:512]
