"""Read-only pages and JSON over dossiers and rollouts, for whoever must answer for a model."""
