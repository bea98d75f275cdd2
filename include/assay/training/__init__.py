"""Training: the team's train(), and its export to the bytes that are gated and served."""
