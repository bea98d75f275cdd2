"""What a group's scores come to, as `assay.stats` has it."""

from assay.stats.binned import BINS, Scores, summarise

__all__ = ["BINS", "Scores", "summarise"]
