"""How a task ends that does not succeed: what Airflow does next, and what the last lines of its log say."""

import sys
import textwrap
from collections.abc import MutableMapping
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from assay.core import AssayError, UnavailableError, UserError
from assay.pipeline.run import GateErrored, GateFailed
from assay.registry.dossier import EvidenceError

_WIDTH = 110  # characters of a log line that Airflow's page shows beside the grid

_RETRIED = (
    "Airflow tries this task again by itself, for at least five minutes.\n"
    "What to do: nothing yet. If every attempt fails, restore what the message names, then clear this task."
)
_BAD_INPUT = "Not retried.\nWhat to do: fix what is listed above, then trigger a new run."
_NO_GROUND = (
    "Not retried.\nWhat to do: clear the task that the message names, with everything downstream; where it names none, "
    "trigger a new run."
)
_OTHER = "Not retried.\nWhat to do: look the message up in docs/runbooks/README.md."
_CHANGE = "open Evidence on this task's Details tab; change the data, the model or the policy, then trigger a new run."
_GATE = f"Not retried: the same evidence gives the same answer.\nWhat to do: {_CHANGE}"
_PERSON = "This ends the run.\nWhat to do: settle what the reviewer objects to, then trigger a new run."
_AFTER = {
    "fairness": (
        "Not retried. Where the policy names a mitigation that has not been tried, the run goes on with it.\n"
        f"What to do if the run ends here: {_CHANGE}"
    ),
    "approval": _PERSON,
    "risk_approval": _PERSON,
    "canary": "The champion before it serves alone.\nWhat to do: see Evidence for the numbers; trigger a new run.",
}


class Ended(AirflowException):
    """What Airflow is told of an error that Assay explains itself; its log shows a sentence, not a stack trace.

    Parameters
    ----------
    message
        What happened.
    todo
        What happens next, and what a person should do.
    """

    def __init__(self, message: str, todo: str) -> None:
        super().__init__(message)
        self.todo = todo
        _explain_in_log()

    @property
    def sentence(self) -> str:
        """What the log ends with, in lines that a page shows whole."""
        lines = f"{self}\n{self.todo}".splitlines()
        return "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False) for line in lines)


class Refused(Ended, AirflowFailException):
    """The task has failed for good."""


class Broken(Ended):
    """Something was unavailable: Airflow retries the task."""


def ended(error: AssayError) -> Ended:
    """What Airflow is told of an error: retry what broke, never what was refused."""
    kind = Broken if isinstance(error, UnavailableError | GateErrored) else Refused
    return kind(str(error), next_step(error))


def next_step(error: AssayError) -> str:
    """What happens after an error, and what a person should do."""
    match error:
        case UnavailableError() | GateErrored():
            return _RETRIED
        case GateFailed():
            return _AFTER.get(error.verdict.gate, _GATE)
        case UserError():
            return _BAD_INPUT
        case EvidenceError():
            return _NO_GROUND
        case _:
            return _OTHER


def _explain_in_log() -> None:
    """Have this process's log show an `Ended` as its sentence.

    Airflow logs every exception with its frames, and has no setting against it. Its loggers share one list of
    processors; a process that runs a task lives no longer than the task.
    """
    import structlog

    processors = structlog.get_config()["processors"]
    if isinstance(processors, list) and _sentence_for_trace not in processors:
        processors.insert(0, _sentence_for_trace)


def _sentence_for_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Log processor: in place of the stack trace of an `Ended`, say what it says."""
    told = event.get("exc_info")
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, Ended):
        del event["exc_info"]
        event["event"] = error.sentence
    return event
