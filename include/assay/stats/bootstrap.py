"""Estimates of scores' metrics, under the name from which other rooms import them."""

from typing import Literal

from assay.stats.calibration import ECE_BINS, ece_noise
from assay.stats.estimates import Estimate, excess_interval, level_interval

Metric = Literal["auc", "log_loss", "brier", "ece"]

__all__ = ["ECE_BINS", "Estimate", "Metric", "ece_noise", "excess_interval", "level_interval"]
