"""Mitigation: the team's train() once more, so that its decisions differ less between groups."""
