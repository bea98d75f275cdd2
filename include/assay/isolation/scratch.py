"""Measure and delete a folder that code in a box has written, whatever it did to hide or keep something in it."""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.isolation.limits import Limits, size

_DEEPEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _TooDeepError(Exception):
    pass


def excess(folder: str, pids: Sequence[int], limits: Limits) -> str:
    """Which limit the scratch folder passes, empty when none is.

    Parameters
    ----------
    pids
        The box's processes: deleted files that they hold open count, too.
    """
    total, count = _deleted(pids), 0
    try:
        for found in _below(folder):
            total, count = total + found.st_blocks * 512, count + 1
            if total > limits.scratch_bytes or count > limits.scratch_files:
                break
    except _TooDeepError:
        return f"nested folders more than {_DEEPEST} deep in its scratch folder"
    except PermissionError:
        return "made a folder in its scratch folder that cannot be read"
    if total > limits.scratch_bytes:
        return f"wrote more than {size(limits.scratch_bytes)} to its scratch folder"
    if count > limits.scratch_files:
        return f"made more than {limits.scratch_files:,} files in its scratch folder"
    return ""


def _below(folder: str) -> Iterator[os.stat_result]:
    """Everything below a folder. Folders are opened as soon as they are seen, so that renaming hides nothing."""
    opened, listings = [os.open(folder, _FOLDER)], []
    try:
        listings.append(os.scandir(opened[0]))
        while listings:
            entry = next(listings[-1], None)
            if entry is None:
                listings.pop().close()
                os.close(opened.pop())
                continue
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found = entry.stat(follow_symlinks=False)
                yield found
                if stat.S_ISDIR(found.st_mode):
                    if len(opened) > _DEEPEST:
                        raise _TooDeepError
                    opened.append(os.open(entry.name, _FOLDER, dir_fd=opened[-1]))
                    listings.append(os.scandir(opened[-1]))
    finally:
        for listing in listings:
            listing.close()
        for descriptor in opened:
            os.close(descriptor)


def _deleted(pids: Sequence[int]) -> int:
    """Bytes of deleted files that are still open."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    each = entry.stat()
                    if each.st_nlink == 0:
                        found[each.st_dev, each.st_ino] = each.st_blocks * 512
    return sum(found.values())


def remove_folder(path: Path) -> None:
    """Delete a folder with everything in it: also folders of any depth, and those that their owner may not enter.

    Nothing may be at work in it any more. A folder that is not there is no error.

    Raises
    ------
    OSError
        When something cannot be deleted.
    """
    with contextlib.suppress(FileNotFoundError):
        root = _entered(path, None)
        try:
            while folders := _emptied(root):
                for name in folders:
                    _flattened(root, name)
        finally:
            os.close(root)
        path.rmdir()


def _flattened(root: int, name: str) -> None:
    """Delete a folder below `root`, and move the folders in it up there."""
    inner = _entered(name, root)
    try:
        for each in _emptied(inner):
            os.chmod(each, 0o700, dir_fd=inner)  # its owner may rename it only when it may write to it
            os.rename(each, uuid.uuid4().hex, src_dir_fd=inner, dst_dir_fd=root)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=root)


def _emptied(folder: int) -> list[str]:
    """Delete everything in a folder but the folders in it, and return these."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _entered(name: str | Path, folder: int | None) -> int:
    """Open a folder, whatever its mode."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=folder)
        os.fchmod(opened, 0o700)
        return opened
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)
        return os.open(name, _FOLDER, dir_fd=folder)
