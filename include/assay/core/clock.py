"""UTC, and how long something took."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime


def utc_now() -> str:
    """Now, as ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Stopwatch:
    """Started when made; knows when that was and how long ago."""

    started_at: str = field(default_factory=utc_now)
    _start: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the start, to the millisecond."""
        return round(time.monotonic() - self._start, 3)
