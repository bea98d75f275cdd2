"""The files of a model's folder that count as its code: all that the team's `train.py` may read while it trains."""

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from assay.core import Problem, UserError, sha256_bytes

DATA = "data"
"""The folder for data beside `train.py`: it may hold held-out rows, so it is never part of the code."""

DIGESTED_APART = ("policy.yaml", "contract.json")
"""The files whose digests stand by themselves wherever the code's does."""

_ROWS = (".csv", ".parquet")
_ABOVE = "."  # a source that is the folder itself, or one that it is in
_MOST_FILES = 1_000
_MOST_BYTES = 64 * 2**20
_MEND = f"move data and large files to {DATA}/, which training does not see"


def read_model_files(folder: Path, *sources: str) -> dict[str, bytes]:
    """Read every file of a model's folder but its data.

    Hidden files, `__pycache__` and the folder `data` are left out, and so are the files and folders that
    `sources` name: training gets rows from a snapshot only.

    Parameters
    ----------
    folder
        The model's folder.
    sources
        Paths or patterns as the policy's `data.source` writes them, meant from the folder; others have no effect.

    Returns
    -------
    dict
        Name relative to the folder, with ``/`` between its parts, to content, ordered by name.

    Raises
    ------
    UserError
        Listing every link that leads out of the folder, every special file, and what is too much: more than
        1,000 files, or more than 64 MiB together.
    """
    root, size = folder.resolve(), 0
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    plain = [_inside(folder, source) for source in sources]
    for name in _names(folder):
        if any(_is_data(name, each) for each in ("", *plain)):
            continue
        path = folder / name
        if not _leads_inside(path, root):
            problems.append(Problem(path=name, message="is a link that leads out of the folder", mend="copy the file"))
            continue
        if not _is_file(path):
            problems.append(Problem(path=name, message="is not a regular file", mend="remove it"))
            continue
        size += path.stat().st_size
        if len(found) >= _MOST_FILES or size > _MOST_BYTES:
            limit = f"{_MOST_FILES:,} files" if size <= _MOST_BYTES else f"{_MOST_BYTES // 2**20} MiB"
            problems.append(Problem(path=str(folder), message=f"holds more than {limit} beside its data", mend=_MEND))
            break
        found[name] = _read(path, name, problems)
    if problems:
        raise UserError(str(folder), problems)
    return dict(sorted(found.items()))


def file_digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    return {name: sha256_bytes(content) for name, content in files.items()}


def code_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that a code version covers: all but policy and contract, which have digests of their own."""
    return {name: content for name, content in files.items() if name not in DIGESTED_APART}


def write_model_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `read_model_files` read to a new folder, byte for byte."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _names(folder: Path) -> Iterator[str]:
    """Every name below the folder that is neither hidden nor a cache; links to folders count as names."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        links = [each for each in folders if (here / each).is_symlink()]
        folders[:] = sorted(each for each in folders if each not in links and not _is_hidden(each))
        for name in sorted([*files, *links]):
            if not _is_hidden(name):
                yield (here / name).relative_to(folder).as_posix()


def _leads_inside(path: Path, root: Path) -> bool:
    """Whether a path that may be a link stays in the folder; one that leads nowhere is told of as no file."""
    try:
        return path.resolve().is_relative_to(root)
    except (RuntimeError, OSError):  # a link that leads to itself
        return True


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_data(name: str, source: str) -> bool:
    """Whether a name lies in the folder for data, or is what a source names, relative to the model's folder."""
    path = PurePosixPath(name)
    if path.parts[0] == DATA:
        return True
    if not source:
        return False
    if source == _ABOVE or any(sign in source for sign in "*?["):  # then only files of rows are meant
        found = source == _ABOVE or path.match(source) or fnmatchcase(name, source.replace("**/", "*"))
        return found and path.suffix.lower() in _ROWS
    return path.match(source) or source in (str(parent) for parent in path.parents)


def _inside(folder: Path, source: str) -> str:
    """A source as a path or pattern relative to the folder; empty where it lies elsewhere."""
    local = source.removeprefix("file://")
    if not local or "://" in local:
        return ""
    written = Path(os.path.normpath(folder.absolute() / local))
    for root, path in ((folder.absolute(), written), (folder.resolve(), written.resolve())):
        root = Path(os.path.normpath(root))
        if root.is_relative_to(path):
            return _ABOVE
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return ""


def _read(path: Path, name: str, problems: list[Problem]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(Problem(path=name, message=f"cannot be read: {error.strerror}"))
        return b""
