"""Numbers with their intervals as pictures, each with its table: for model cards and for the pages of verdicts."""
