"""Where a source's files are: a path below a folder, a pattern, or the URL of an object store."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assay.core import UnavailableError, UserError, did_you_mean, problem
from assay.policy import masked

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_PATTERN = re.compile(r"[*?\[]")
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Place:
    """One file of a source.

    Attributes
    ----------
    files
        The file system that it is on.
    path
        Its path there.
    name
        Its path below the source, for people and manifests.
    """

    files: "FileSystem"
    path: str
    name: str

    def open(self) -> IO[bytes]:
        """Open it at its beginning, for reading once through."""
        return self.files.open_input_stream(self.path)  # type: ignore[no-any-return]  # pyarrow has no types

    def seekable(self) -> Any:
        """Open it for reading here and there, as Parquet needs."""
        return self.files.open_input_file(self.path)

    def stamp(self) -> tuple[int, Any]:
        """Size and time of its last change: when they stay, so did the content."""
        found = self.files.get_file_info(self.path)
        return found.size, found.mtime_ns

    def record(self) -> dict[str, Any]:
        """Its name, SHA-256 and size, for the manifest."""
        digest, size = hashlib.sha256(), 0
        with self.open() as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return {"path": self.name, "sha256": digest.hexdigest(), "bytes": size}


def find_places(source: str, base: Path, roots: Sequence[str]) -> list[Place]:
    """The files that a source means, in order of their names.

    Parameters
    ----------
    source
        A file, a folder with all data files below it, or a pattern with ``*``, ``**`` and ``?``; a path
        meant from `base`, or a URL that pyarrow or fsspec can reach.
    roots
        Folders and URLs that sources must lie below; none means everywhere.

    Raises
    ------
    UserError
        When there is no such file, or it lies outside the roots.
    UnavailableError
        When the store cannot be reached.
    """
    files, path = resolved(source, base, roots)
    shown = masked(source)
    with reached(shown):
        found = _listed(files, path)
    if not found:
        raise problem(shown, *_absent(source, base))
    top = _fixed_part(path)
    return [
        Place(files=files, path=each, name=each[len(top) :].lstrip("/") if each != path else each.rpartition("/")[2])
        for each in sorted(found)
    ]


def is_delta_table(source: str, base: Path, roots: Sequence[str]) -> bool:
    """Whether a source is a folder with Delta's log in it."""
    from pyarrow.fs import FileType

    files, path = resolved(source, base, roots)
    with reached(masked(source)):
        return bool(files.get_file_info(f"{path.rstrip('/')}/_delta_log").type == FileType.Directory)


def resolved(source: str, base: Path, roots: Sequence[str]) -> "tuple[FileSystem, str]":
    """The file system of a source and the path there, inside the declared roots.

    Raises
    ------
    UserError
        When it lies outside the roots, or its URL is one that nothing here can reach.
    """
    source = re.sub(r"^file://(localhost)?", "", source)
    check_inside(source, base, roots)
    if "://" in source:
        return _remote(source)
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem(), (base / source).absolute().as_posix()


def check_inside(source: str, base: Path, roots: Sequence[str]) -> None:
    """Refuse a path or a URL outside the declared roots, wherever links lead to.

    Raises
    ------
    UserError
        Naming the roots.
    """
    if not roots:
        return
    if "://" in source:
        allowed = any("://" in root and _below(source, root) for root in roots)
    else:
        real = Path(_fixed_part((base / source).as_posix()) or "/").resolve()
        allowed = any(real.is_relative_to(Path(root).resolve()) for root in roots if "://" not in root)
    if not allowed:
        raise _outside(masked(source), roots)


@contextmanager
def reached(name: str) -> Iterator[None]:
    """Say of a store that does not answer that it is unavailable."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{name} cannot be reached: {' '.join(str(error).split())}") from None


def _outside(name: str, roots: Sequence[str]) -> UserError:
    return problem(
        name,
        f"lies outside the folders that data may come from: {', '.join(map(masked, roots))}",
        "ASSAY_SOURCES names them",
    )


def _below(source: str, root: str) -> bool:
    return ".." not in source.split("/") and (source == root or source.startswith(root.rstrip("/") + "/"))


def _remote(url: str) -> "tuple[FileSystem, str]":
    import pyarrow as pa
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    scheme = url.partition("://")[0]
    with reached(masked(url)), suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):  # not pyarrow's own
        files, path = FileSystem.from_uri(url)
        return files, path
    import fsspec  # type: ignore[import-untyped]  # ships no types

    try:
        known, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise problem(
            masked(url), f'nothing here reaches "{scheme}://": {error}', "install its fsspec driver"
        ) from None
    return PyFileSystem(FSSpecHandler(known)), path


def _listed(files: "FileSystem", path: str) -> list[str]:
    from pyarrow.fs import FileSelector, FileType

    found = files.get_file_info(path)
    if found.type == FileType.File:
        return [path]
    top = path if found.type == FileType.Directory else _fixed_part(path)
    if found.type != FileType.Directory and not _PATTERN.search(path):
        return []
    below = files.get_file_info(FileSelector(top or "/", recursive=True, allow_not_found=True))
    kept = [each.path for each in below if each.type == FileType.File and not _hidden(each.path[len(top) :])]
    if found.type == FileType.Directory:
        return [each for each in kept if _suffix(each) in (".csv", ".parquet")]
    wanted = _translated(path)
    return [each for each in kept if wanted.fullmatch(each)]


def _hidden(below: str) -> bool:
    """Whether some step begins with a dot or an underscore, as logs and markers do; ``_x=1`` is a partition."""
    return any(step.startswith(".") or (step.startswith("_") and "=" not in step) for step in below.split("/"))


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _fixed_part(path: str) -> str:
    """The folder above the first pattern; the path itself where there is none."""
    if not _PATTERN.search(path) or Path(path).exists():
        return path
    fixed = []
    for step in path.split("/"):
        if _PATTERN.search(step):
            break
        fixed.append(step)
    return "/".join(fixed)


def _translated(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression: ``*`` and ``?`` stay within a folder, ``**`` goes through folders."""
    parts = re.split(r"(\*\*/|\*|\?|\[[^\]]+\])", pattern)
    meant = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meant.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts))


def _absent(source: str, base: Path) -> tuple[str, str]:
    if "://" in source:
        return "no such file", ""
    path = base / source
    if path.is_dir():
        return "holds no .csv or .parquet file", ""
    if _PATTERN.search(source):
        return "no file has such a name", ""
    near = did_you_mean(path.name, [each.name for each in path.parent.glob("*")]) if path.parent.is_dir() else ""
    return "no such file", near if near.startswith("did") else ""
