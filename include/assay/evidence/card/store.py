"""Keep a version's card with its dossier, and find it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Event, Record, sha256_bytes
from assay.evidence.card.build import card
from assay.evidence.card.facts import collect, explanation_json, read_explanation, told_records
from assay.evidence.card.markdown import blanks, escaped, to_markdown
from assay.evidence.card.parts import Card

if TYPE_CHECKING:
    from assay.evidence.explain.results import Explanation
    from assay.evidence.judging import Case
    from assay.evidence.stored import Stored

MODEL_CARD, PAGE, DATASHEET, EXPLANATION = "model_card.md", "model_card.html", "datasheet.md", "explanation.json"


def write_card(stored: "Stored", case: "Case") -> dict[str, Any]:
    """Make the card of a registered version, keep it with the dossier, and lead MLflow's description to it.

    Nothing is ever overwritten: each card has a folder of its own. When nothing was recorded since
    the latest card, that one is the card.

    Parameters
    ----------
    stored
        The dossier, its chain checked just now.
    case
        The run's case with its candidate.

    Returns
    -------
    dict
        The facts of the event to record, ``card:<number>``: version, number, head (digest of the last
        record that the card tells of), blanks, questions and files (artifact path to SHA-256).

    Raises
    ------
    EvidenceError, TamperedError, UnavailableError
        When something that a record names is gone, or is not what was recorded.
    """
    earlier, told = cards(stored.records), told_records(stored.records)
    if earlier and earlier[-1].facts["head"] == told[-1].digest:
        return dict(earlier[-1].facts)
    explanation = kept_explanation(stored) or _explain(case)
    made = card(collect(stored, explanation))
    number = len(earlier) + 1
    files = {f"card/{number}/{name}": content for name, content in card_files(made, explanation).items()}
    for name, content in files.items():
        stored.dossier.store(name, content)
    version = int(stored.event("registration").facts["version"])
    _describe(stored, version, made, f"card/{number}/{PAGE}")
    return {
        "version": version,
        "number": number,
        "head": told[-1].digest,
        "blanks": made.blanks,
        "questions": made.questions,
        "files": {name: sha256_bytes(content) for name, content in files.items()},
    }


def card_files(made: Card, explanation: "Explanation | None") -> dict[str, bytes]:
    """The files of a card: file name to content."""
    from assay.evidence.card.html import to_html

    files = {
        MODEL_CARD: to_markdown(made, parts=[made.model_card, made.annex, made.provenance]).encode(),
        PAGE: to_html(made).encode(),
        DATASHEET: to_markdown(made, parts=[made.datasheet]).encode(),
    }
    return files if explanation is None else {**files, EXPLANATION: explanation_json(explanation)}


def cards(records: Sequence[Record]) -> list[Event]:
    """The cards that a chain records, oldest first."""
    return [record for record in records if isinstance(record, Event) and record.event == "card"]


def kept_card(stored: "Stored") -> dict[str, bytes] | None:
    """The files of the latest card, by their names; None when the dossier records none.

    Raises
    ------
    EvidenceError, TamperedError
        When a file is gone, or is not what was recorded.
    """
    found = cards(stored.records)
    if not found:
        return None
    return {Path(name).name: _recorded(stored, name, digest) for name, digest in found[-1].facts["files"].items()}


def fresh_card(stored: "Stored", *, case: "Case | None" = None) -> dict[str, bytes]:
    """The card's files made anew from the dossier as it is now; nothing is stored.

    Parameters
    ----------
    case
        What to explain if no card has kept an explanation; without it one is made of the stored things.
    """
    explanation = kept_explanation(stored) or _explain(case or case_of(stored))
    return card_files(card(collect(stored, explanation)), explanation)


def kept_explanation(stored: "Stored") -> "Explanation | None":
    """The explanation that an earlier card of the same model kept; None when there is none."""
    for event in reversed(cards(stored.records)):
        for name, digest in event.facts["files"].items():
            if Path(name).name == EXPLANATION:
                found = read_explanation(_recorded(stored, name, digest))
                if found.model == stored.model:
                    return found
    return None


def case_of(stored: "Stored") -> "Case":
    """A registered version with its policy, data and model as they are stored, every digest checked.

    Raises
    ------
    EvidenceError, TamperedError, SignatureError, UnavailableError, UserError
        When something is gone, or is not what was recorded.
    """
    from assay.evidence.judging import Case
    from assay.evidence.stored import CONTRACT, POLICY
    from assay.policy import parse_policy
    from assay.training.onnx_model import OnnxModel

    return Case(
        policy=parse_policy(stored.file(POLICY), POLICY),
        contract=Path(CONTRACT),  # a name only: nothing is judged here
        snapshot=stored.snapshot(),
        seed=int(stored.request.facts["seed"]),
        onnx=OnnxModel(stored.onnx()),
    )


def _recorded(stored: "Stored", name: str, digest: str) -> bytes:
    """A file that a record names, its digest checked."""
    from assay.registry.artifacts import TamperedError

    content = stored.dossier.read(name)
    found = sha256_bytes(content)
    if found != digest:
        raise TamperedError(name, digest, found)
    return content


def _explain(case: "Case") -> "Explanation":
    from assay.evidence.explain.importance import explain

    return explain(case)


def _describe(stored: "Stored", version: int, made: Card, page: str) -> None:
    from assay.registry.versions import describe_version

    text = f"{escaped(made.lead)}\n\n{escaped(blanks(made))}".strip()
    describe_version(stored.dossier, version, text, page=page)
