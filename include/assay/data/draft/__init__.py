"""A first draft of a model's folder, made from its data: pure functions from a table to texts."""

from assay.data.draft.files import draft_files
from assay.data.draft.roles import Roles, assign_roles

__all__ = ["Roles", "assign_roles", "draft_files"]
