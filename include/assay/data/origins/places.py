"""Where a source's files are: a path below a folder, a pattern, or the URL of an object store."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assay.core import UnavailableError, UserError, did_you_mean, problem
from assay.data.origins.patterns import fixed_part, is_data, is_hidden, is_pattern, translated
from assay.policy import masked

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_CHUNK = 1 << 20
_LOG = "_delta_log"


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
        A file, a folder with all data files below it, or a pattern with ``*``, ``**``, ``?`` and ``[...]``; a path
        meant from `base`, or a URL that pyarrow or fsspec can reach.
    roots
        Folders and URLs that sources must lie below; none means everywhere.

    Raises
    ------
    UserError
        When there is no such file, it lies outside the roots, or it belongs to a Delta table: the table's log
        alone knows whether its rows still count.
    UnavailableError
        When the store cannot be reached.
    """
    files, path = resolved(source, base, roots)
    shown = masked(source)
    with reached(shown):
        found, table = _listed(files, path)
    if not found:
        raise problem(shown, *_absent(source, base))
    if table is not None:
        message = f"reads files of the Delta table {Path(table).name}, which also hold rows that were deleted"
        raise problem(shown, message, "write {delta: PATH}")
    _check_links(files, found, shown, roots)
    top = fixed_part(path)
    return [
        Place(files=files, path=each, name=each[len(top) :].lstrip("/") if each != path else each.rpartition("/")[2])
        for each in sorted(found)
    ]


def resolved(source: str, base: Path, roots: Sequence[str]) -> "tuple[FileSystem, str]":
    """The file system of a source and the path there, inside the declared roots.

    Raises
    ------
    UserError
        When it lies outside the roots, or its URL is one that nothing here can reach.
    """
    source = re.sub(r"^file://(localhost)?", "", source)
    if not source.strip():
        raise problem("source", "is empty", "name a file, a folder, a pattern or a URL")
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
        real = Path(fixed_part((base / source).as_posix()) or "/").resolve()
        allowed = any(real.is_relative_to(Path(root).resolve()) for root in roots if "://" not in root)
    if not allowed:
        raise _outside(masked(source), roots)


def _check_links(files: "FileSystem", paths: Sequence[str], shown: str, roots: Sequence[str]) -> None:
    """Refuse files that a folder inside the roots only links to."""
    if not roots or files.type_name != "local":
        return
    tops = [Path(root).resolve() for root in roots if "://" not in root]
    for path in paths:
        if not any(Path(path).resolve().is_relative_to(top) for top in tops):
            raise _outside(shown if len(paths) == 1 else f"{shown}: {Path(path).name}", roots)


@contextmanager
def reached(name: str) -> Iterator[None]:
    """Say of a store that does not answer that it is unavailable, and of an address that is none what is wrong."""
    import pyarrow as pa

    try:
        yield
    except UnicodeError:
        raise problem(name, "there is a name that is not UTF-8 text", "rename the file") from None
    except (pa.ArrowInvalid, re.error) as error:
        raise problem(name, f"is no address of files: {' '.join(str(error).split())}") from None
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
        if not path:
            raise problem(masked(url), "names no bucket")
        return files, path
    import fsspec  # type: ignore[import-untyped]  # ships no types

    try:
        with reached(masked(url)):
            known, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise problem(
            masked(url), f'nothing here reaches "{scheme}://": {error}', "install its fsspec driver"
        ) from None
    return PyFileSystem(FSSpecHandler(known)), path


def _listed(files: "FileSystem", path: str) -> tuple[list[str], str | None]:
    """The files that a path means, and the folder of a Delta table that some of them are in."""
    from pyarrow.fs import FileSelector, FileType

    found = files.get_file_info(path)
    if found.type == FileType.File:
        return [path], _table_above(files, path.rpartition("/")[0])
    top = path if found.type == FileType.Directory else fixed_part(path)
    if found.type != FileType.Directory and not is_pattern(path):
        return [], None
    below = files.get_file_info(FileSelector(top or "/", recursive=True, allow_not_found=True))
    wanted = is_data if found.type == FileType.Directory else translated(path).fullmatch
    kept = [
        each.path for each in below
        if each.type == FileType.File and not is_hidden(each.path[len(top) :]) and wanted(each.path)
    ]  # fmt: skip
    for each in _dangling(files, top):
        if wanted(each) and not is_hidden(each[len(top) :]):
            raise problem(each, "is a link that leads nowhere", "fetch what it means, or remove it")
    tables = sorted({each.path.partition(f"/{_LOG}/")[0] for each in below if f"/{_LOG}/" in each.path})
    within = next((table for table in tables if any(each.startswith(f"{table}/") for each in kept)), None)
    return kept, within or (_table_above(files, top) if kept else None)


def _dangling(files: "FileSystem", top: str) -> list[str]:
    """Links that lead nowhere, which a listing leaves out: files of a folder that were not fetched, say."""
    if files.type_name != "local":
        return []
    return [str(each) for each in sorted(Path(top or "/").rglob("*")) if each.is_symlink() and not each.exists()]


def _table_above(files: "FileSystem", folder: str) -> str | None:
    """The folder itself, or one that it is in, that holds Delta's log."""
    from pyarrow.fs import FileType

    own = folder.rstrip("/")
    while folder.strip("/"):
        folder = folder.rstrip("/")
        with suppress(*([] if folder == own else [OSError])):  # not everybody may look above what is theirs
            if files.get_file_info(f"{folder}/{_LOG}").type == FileType.Directory:
                return folder
        folder = folder.rpartition("/")[0]
    return None


def _absent(source: str, base: Path) -> tuple[str, str]:
    if "://" in source:
        return "no such file", ""
    path = base / source
    if path.is_dir():
        return "holds no .csv or .parquet file", ""
    if is_pattern(source):
        return "no file has such a name", ""
    near = did_you_mean(path.name, [each.name for each in path.parent.glob("*")]) if path.parent.is_dir() else ""
    return "no such file", near if near.startswith("did") else ""
