"""The account that a box runs as at the level `user`: what it may reach, and that one job has it at a time."""

import fcntl
import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from assay.core import problem

USER = "ASSAY_TRAINING_USER"
_LOCKS = Path("/run")


def grant(*, readable: Sequence[Path], scratch: Path) -> tuple[int, int]:
    """Let the account read folders and own another; its numbers of user and group.

    The folder that holds `scratch` is opened to the account's group so far that it can be passed through.

    Raises
    ------
    UserError
        When the account cannot reach a folder.
    """
    entry = pwd.getpwnam(os.environ[USER])
    uid, gid = entry.pw_uid, entry.pw_gid
    _open_to(scratch.parent, gid, 0o710)
    for folder in readable:
        for place, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                path = Path(place, name)
                if not path.is_symlink():
                    _open_to(path, gid, 0o750 if path.is_dir() else 0o640)
    os.chown(scratch, uid, gid)
    for folder in (*readable, scratch):
        _require_way(folder, uid, gid, entry.pw_name)
    return uid, gid


@contextmanager
def sole_use(level: str) -> Iterator[None]:
    """Wait until no other training job runs as the account: each could end the other's processes."""
    if level != "user":
        yield
        return
    entry = pwd.getpwnam(os.environ[USER])
    opened = os.open(_LOCKS / f"assay-box-{entry.pw_uid}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _open_to(path: Path, gid: int, mode: int) -> None:
    found = path.stat()
    if found.st_uid == os.geteuid():  # nothing of anybody else's is changed
        os.chown(path, -1, gid)
        path.chmod(found.st_mode & 0o700 | mode & 0o070)


def _require_way(folder: Path, uid: int, gid: int, name: str) -> None:
    for each in folder.parents:
        found = each.stat()
        bit = 0o100 if found.st_uid == uid else 0o010 if found.st_gid == gid else 0o001
        if not found.st_mode & bit:
            mend = "set ASSAY_TRAINING_JOBS to a folder that it can reach, such as /var/lib/assay-training"
            raise problem(USER, f"is {name}, which cannot pass through {each}", mend)
