"""An audit's looks at one model: what they found, and where they looked."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from assay.core import AssayError, UnavailableError
from assay.evidence.audit.deviation import Deviation, key
from assay.evidence.audit.incidents import Seen, close, raised
from assay.rollout.incidents import Incident, Incidents

log = logging.getLogger(__name__)

JUNK = (AssayError, LookupError, ValueError, TypeError, AttributeError)
"""What reading raises where other hands wrote something that Assay never writes."""

UNREADABLE = "unreadable"
"""Kind of a deviation that ended a look early."""


@dataclass(kw_only=True)
class Looks:
    """What an audit does at one model, step by step.

    Attributes
    ----------
    restore
        Who asks to have images set back; None to leave everything as it is.
    found
        Deviations that were not told yet.
    seen
        Those that were.
    looked
        Beginnings of the keys of what would have been found, had it been there.
    """

    incidents: Incidents
    model: str
    restore: str | None
    found: list[Deviation] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    _causes: set[str] = field(default_factory=set)

    @contextmanager
    def at(self, place: str, *keys: str, version: int | None = None) -> Iterator[None]:
        """One look; where it stumbles over what Assay did not write, that is found, and the next look is taken.

        Parameters
        ----------
        place
            Names the look.
        keys
            What was looked for, unless it stumbled: it cannot say then that a cause is gone.
        version
            The version that is looked at.

        Raises
        ------
        UnavailableError
            When a server does not answer.
        """
        unreadable = key(self.model, UNREADABLE, place)
        self.looked.append(unreadable)
        try:
            yield
        except UnavailableError:
            raise
        except JUNK as error:
            log.warning("%s: the look at %s ended early", self.model, place, exc_info=True)
            cause = _in_words(error)
            if cause not in self._causes:  # several looks may stumble over one row
                self.found.append(_unreadable(unreadable, self.model, version, place, cause))
            self._causes.add(cause)
        else:
            self.looked += keys

    def tell(self) -> None:
        """Raise the incidents of what was found, and set images back where somebody asked for that."""
        self.seen += [raised(self.incidents, each, self.restore) for each in self.found]
        self.found.clear()

    def close(self) -> list[Incident]:
        """Close what was looked for and not found again."""
        return close(self.incidents, self.looked, self.seen)


def _unreadable(name: str, model: str, version: int | None, place: str, cause: str) -> Deviation:
    return Deviation(
        key=name,
        model=model,
        version=version,
        kind=UNREADABLE,
        message=f"the look at {place} ended early: {cause}",
        mend="Assay did not write what is there: find out who can write to it, and restore it from a backup; until "
        "then nobody knows what else is out of order there",
    )


def _in_words(error: Exception) -> str:
    """An error in one line."""
    said = (str(error).splitlines() or [""])[0]
    return said if isinstance(error, AssayError) and said else f"{type(error).__name__}: {said}"
