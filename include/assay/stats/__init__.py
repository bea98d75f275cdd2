"""Intervals and resampling: pure functions of numbers, no I/O."""
