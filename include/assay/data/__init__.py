"""Data files, their immutable snapshots, splits, and the one way a cell becomes a model input."""
