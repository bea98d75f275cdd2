"""Who may read what a command writes: local state is its owner's alone, files for the user are as the user wants."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from assay.local.private import PRIVATE_UMASK

_users: list[int] = []


def keep_state_private() -> None:
    """Let this process create files that only their owner can read, from here on."""
    _users.append(os.umask(PRIVATE_UMASK))


@contextmanager
def users_umask() -> Iterator[None]:
    """Create files with the umask of the user's shell while the block runs: reports, and files for a repository."""
    before = os.umask(_users[-1]) if _users else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)
