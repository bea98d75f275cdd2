"""What an estimate is held against."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What an estimate is held against; either side may be open."""

    min: float | None = None
    max: float | None = None
