"""The verdicts of a dossier: each laid out, with what it was about and where its page is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.core import Event, Record, Verdict
from assay.evidence.card import words
from assay.governance.verdict.sheet import Sheet, sheet
from assay.governance.waived import Excuses
from assay.governance.words import task as task_of
from assay.registry.dossier import BEFORE_TRAINING

Subject = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One verdict of a dossier.

    Attributes
    ----------
    number
        Its record's.
    anchors
        Fragments that lead here: gate and task for a gate's latest verdict, ``gate-number`` for earlier ones.
    about
        Which of the run's models it judged, in words; empty where the run has only one.
    isolation
        How the team's code was kept apart while it made the model; empty where that is not recorded.
    elsewhere
        Sentences about what this verdict was about, where the run is now about something else.
    """

    sheet: Sheet
    number: int
    anchors: Sequence[str]
    about: str
    isolation: str
    elsewhere: Sequence[str]

    @property
    def verdict(self) -> Verdict:
        """The verdict itself."""
        return self.sheet.verdict


def sections(records: Mapping[int, Record], *, subject: Subject, excuses: Excuses) -> list[Section]:
    """Lay out the verdicts among a dossier's records.

    Parameters
    ----------
    records
        Number to record, oldest first.
    subject
        What the run is about now: ``policy``, ``snapshot``, ``code version`` and ``model``.
    excuses
        The waivers of the dossier.
    """
    verdicts = {number: each for number, each in records.items() if isinstance(each, Verdict)}
    mitigations = [each for each in records.values() if isinstance(each, Event) and each.event == "mitigation"]
    isolation = _isolation(records.values())
    anchors = _anchors(verdicts, {str(each.facts.get("to")) for each in mitigations})
    return [
        Section(
            sheet=sheet(verdict, waived=excuses.of(verdict.digest)),
            number=number,
            anchors=anchors[number],
            about=_about(verdict, mitigations),
            isolation=isolation.get(verdict.model or "", ""),
            elsewhere=list(_elsewhere(verdict, subject, known=_models(mitigations))),
        )
        for number, verdict in verdicts.items()
    ]


def _anchors(verdicts: Mapping[int, Verdict], mitigated: set[str]) -> dict[int, list[str]]:
    """Which fragments lead to which verdict: a task to its own latest, a gate to its latest of all."""
    tasks = {number: task_of(verdict, mitigated) for number, verdict in verdicts.items()}
    last_of_task = {task: number for number, task in tasks.items()}
    last_of_gate = {verdict.gate: number for number, verdict in verdicts.items()}
    found = {}
    for number, verdict in verdicts.items():
        gate = [verdict.gate] if last_of_gate[verdict.gate] == number else [f"{verdict.gate}-{verdict.attempt}"]
        task = [tasks[number]] if last_of_task[tasks[number]] == number else []
        found[number] = list(dict.fromkeys([*gate, *task]))
    return found


def _isolation(records: Iterable[Record]) -> dict[str, str]:
    """Model digest to the level of isolation that its training ran under."""
    trained = [each for each in records if isinstance(each, Event) and each.event == "training"]
    return {str(each.facts["sha256"]): words.isolation(each.facts.get("isolation")) for each in trained}


def _models(mitigations: Sequence[Event]) -> set[str]:
    return {str(each.facts.get(side)) for each in mitigations for side in ("from", "to")}


def _about(verdict: Verdict, mitigations: Sequence[Event]) -> str:
    for each in reversed(mitigations):
        if verdict.model == each.facts.get("to"):
            return f"the model after mitigation by {words.plain(str(each.facts.get('method', 'an unnamed method')))}"
    if verdict.model is not None and verdict.model in _models(mitigations):
        return "the model as trained"
    return ""


def _elsewhere(verdict: Verdict, subject: Subject, *, known: set[str]) -> Iterator[str]:
    now = {
        "policy": verdict.policy_sha256,
        "snapshot": verdict.snapshot,
        "code version": verdict.code_version,
        "model": verdict.model,
    }
    for part, seen in now.items():
        wanted = subject.get(part)
        untrained = part == "model" and seen is None and verdict.gate in BEFORE_TRAINING
        own = part == "model" and seen in known  # one of the run's own, and the page says which
        if seen != wanted and not untrained and not own:
            yield f"Judged on another {part} than this run's present one: {seen or 'none'}, not {wanted or 'none'}."
