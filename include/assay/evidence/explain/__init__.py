"""What a model's answers hang on: over the holdout, and for one row. Everything is asked of the served bytes."""
