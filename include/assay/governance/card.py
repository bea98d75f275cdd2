"""The model card of a version, as its dossier keeps it."""

from pathlib import PurePosixPath

from assay.core import AssayError, Event, Settings, UserError, sha256_bytes
from assay.evidence.opening import archive
from assay.registry.dossier import EvidenceError

_PAGE = "model_card.html"


class CardError(AssayError):
    """There is no card to show, or it is not the one that was made."""

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing


def card_page(settings: Settings, model: str, version: int) -> bytes:
    """The card's page, its digest compared with the one in the dossier.

    Raises
    ------
    CardError
        When there is no such version, it has no card, or the card was changed.
    UnavailableError
        When MLflow or the operations database does not answer.
    """
    try:
        dossier = archive(settings).of_version(model, version)
        records = dossier.records() if dossier.model == model else []
    except UserError:
        raise CardError(f"There is no version {version} of the model {model}.", missing=True) from None
    except EvidenceError as error:
        raise CardError(f"This version's dossier is broken: {'; '.join(error.reasons)}.", missing=False) from None
    found = [each for each in records if isinstance(each, Event) and each.event == "card"]
    made = [
        (name, digest)
        for event in found
        if event.facts["version"] == version
        for name, digest in event.facts["files"].items()
        if PurePosixPath(name).name == _PAGE
    ]
    if not made:
        raise CardError(f"No model card was made of version {version} of {model} yet.", missing=True)
    name, digest = made[-1]
    if not dossier.holds(name):
        raise CardError(f"The model card of version {version} of {model} is missing: {name}.", missing=False)
    content = dossier.read(name)
    if sha256_bytes(content) != digest:
        raise CardError(
            f"The model card of version {version} of {model} was changed after it was made; it is not shown.",
            missing=False,
        )
    return content
