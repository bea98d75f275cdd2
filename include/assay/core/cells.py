"""What stands in a cell that holds nothing."""

MISSING = "(missing)"
"""What a model reads in a text column where there is no value, and the name of the group of such rows."""
