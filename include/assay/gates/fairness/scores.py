"""What a group's scores come to, as `assay.stats` has it."""

from assay.stats.binned import BINS, Scores, few, summarise
from assay.stats.influence import FEWEST

__all__ = ["BINS", "FEWEST", "Scores", "few", "summarise"]
