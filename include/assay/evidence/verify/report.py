"""What a verification says: what was looked at, and each place that is not as it was recorded."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

MEANING = {
    "anchors": "The operations database was changed by hand, or set back. What is anchored in it proves nothing more: "
    "hold it against the shipped file and restore it from a backup.",
    "shipped anchors": "Table and file were once the same, and one of them was rewritten or cut short since. "
    "Trust neither before you know which.",
    "records": "The dossier itself was changed. Its evidence does not count: keep everything as it is, and find out "
    "who can write to MLflow's artifact store.",
    "grounds": "The records are whole, but do not stand on each other as a run of Assay's leaves them: "
    "whoever wrote them had the key, and not the pipeline.",
    "moves": "The traffic was moved otherwise than the dossier says: see assay history, and who can write to the "
    "operations database.",
    "attempts": "The count of attempts on the snapshot was changed by hand, or set back: later verdicts may be judged "
    "less strictly than their budget allows.",
    "version": "The version in MLflow is not the one that was registered. Do not serve it.",
    "tags": "Tags are only an index, and prove nothing: the dossier counts. assay audit --restore sets them back.",
    "parameters": "MLflow shows other numbers than were recorded. Parameters and metrics are only shown: "
    "the dossier counts.",
    "candidate": "The model's files are not those that were gated. Nothing must serve them: the gateway keeps the last "
    "good model. Restore the files from a backup.",
    "inputs": "The copies that the run started from are no longer those. A replay would not be one: restore them from "
    "a backup.",
    "code": "The archived code is not what judged: a replay with it would prove nothing.",
    "snapshot": "The data are not those that the model was trained and measured on. No verdict can be replayed: "
    "restore the files from a backup.",
    "card": "The model card is not the one that was made from the dossier. Restore the file from a backup.",
}
"""Each check, in the order in which they are made, and what it means when it finds something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One place that is not as it was recorded.

    Attributes
    ----------
    path
        Where: a file, a tag, a line, a record.
    message
        What is wrong with it, in one line.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was verified.

    Attributes
    ----------
    name
        A key of `MEANING`.
    about
        What was looked at, with counts.
    findings
        What is wrong; empty when all is as recorded.
    """

    name: str
    about: str
    findings: tuple[Finding, ...] = ()

    @property
    def meaning(self) -> str:
        """What it means when there are findings."""
        return MEANING[self.name]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "meaning": self.meaning if self.findings else ""}


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the verification of a version came to.

    Attributes
    ----------
    dossier, head
        The MLflow run that holds the records, and the digest of the last one.
    checks
        In the order in which they were made.
    notes
        What is worth knowing and not wrong.
    """

    model: str
    version: int
    dossier: str
    head: str | None
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether everything is as it was recorded."""
        return not self.findings

    @property
    def findings(self) -> list[Finding]:
        """Everything that is wrong."""
        return [finding for check in self.checks for finding in check.findings]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "version": self.version,
            "dossier": self.dossier,
            "head": self.head,
            "sound": self.sound,
            "checks": [check.to_dict() for check in self.checks],
            "notes": list(self.notes),
        }


def checked(name: str, about: str, findings: Iterable[Finding] = ()) -> Check:
    """A check and all that it found."""
    return Check(name=name, about=about, findings=tuple(findings))


def uncheckable(name: str, kind: str) -> Check:
    """A check for whose ground there is no record: nothing looked at is nothing verified."""
    message = "cannot be checked: the chain holds no whole record of it"
    return checked(name, "nothing", [Finding(path=kind, message=message)])


def counted(number: int, what: str) -> str:
    """A number of things in words.

    Examples
    --------
    >>> counted(1, "file"), counted(3, "file")
    ('1 file', '3 files')
    """
    return f"{number} {what}" + ("" if number == 1 else "s")
