"""Where a model's snapshots are kept: a folder on this machine, or one in an object store.

Everything that is kept of a model lies below one folder, `<root>/<model>/`: the Delta table, the manifests, and
whatever else a snapshot leaves. All of it is read and written through a `Store`, and every path is meant from that
folder, as manifests have it: ``manifests/income-0123456789abcdef.json``.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from assay.core import Problem, UnavailableError, UserError, problem
from assay.policy import masked

_CHUNK = 1 << 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|↳")
_ADDRESS = re.compile(r"\w+://\S+")

Read = Callable[[int], None]
"""Told, now and then, how many more bytes were read."""


class DamagedError(UserError):
    """A file that is not what was kept.

    Attributes
    ----------
    place
        The file, as people are told of it.
    found
        The SHA-256 that it has; None where it is missing.
    """

    def __init__(self, place: str, found: str | None) -> None:
        self.place, self.found = place, found
        message = "is missing" if found is None else "was changed since the snapshot was made"
        super().__init__(place, [Problem(path=place, message=message)])


class Store(Protocol):
    """A model's folder below the root of all snapshots.

    Every method raises `UnavailableError` when disk, network or store fail, and `UserError` when a store refuses:
    no credentials, not the right ones, no such bucket.
    """

    @property
    def root(self) -> str:
        """The root of all snapshots, as ``ASSAY_SNAPSHOTS`` names it: an absolute path, or a URL."""

    @property
    def model(self) -> str:
        """Whose folder it is."""

    @property
    def shared(self) -> bool:
        """Whether other machines may write here at the same time: no lock helps, only what the store itself decides."""

    def place(self, path: str = "") -> str:
        """What a path is called when people are told of it: absolute, without credentials."""

    def prepare(self) -> None:
        """Make sure, before anything is written, that it can be and that two writers cannot overwrite one another.

        Raises
        ------
        UserError
            Also when an object store does not know conditional writes.
        """

    def workspace(self) -> Path:
        """A folder on this machine for rows on their way in; on the same disk where the store is a folder."""

    def read(self, path: str) -> bytes | None:
        """A small file's content; None where there is none."""

    def exists(self, path: str) -> bool:
        """Whether there is a file."""

    def names(self, folder: str) -> list[str]:
        """Names of the files and folders directly in a folder, sorted; none where there is no such folder.

        Names that begin with a dot are left out.
        """

    def write(self, path: str, content: bytes) -> None:
        """Write a small file as a whole, in the place of one that may be there."""

    def exchange(self, path: str, old: bytes | None, new: bytes) -> bool:
        """Write a small file as a whole where there is the `old` content, or with None where there is no file.

        Else nothing is written and it is False. Of two that write at once, on whatever machines, one is told True; of
        two that write the very same, both may be.
        """

    def remove(self, path: str) -> None:
        """Delete a file; one that is gone already is no error. Copies of it on other machines go in time."""

    def bring(self, file: Path, path: str) -> None:
        """Bring a file from the workspace into the store, in the place of one that may be there; here it is gone."""

    def now(self, path: str, *, read: Read = lambda _: None) -> tuple[Path, str]:
        """A file as it is in the store at this moment, to be read on this machine, and its SHA-256.

        Raises
        ------
        DamagedError
            When it is missing.
        """

    def fetch(self, path: str, sha256: str, *, fresh: bool = False, read: Read = lambda _: None) -> Path:
        """A file on this machine that has been found to have this very content.

        Parameters
        ----------
        sha256
            What the manifest says.
        fresh
            Look at the store, and not at a copy that is here already.

        Raises
        ------
        DamagedError
            When the file in the store is missing or has another content.
        """

    def at(self, path: str, sha256: str) -> Path:
        """Where `fetch` has put the file; it is not read again when it is there."""

    def delta(self, path: str) -> tuple[str, dict[str, str] | None]:
        """Address and ``storage_options`` of a Delta table, for delta-rs."""


def store_of(root: str, model: str) -> Store:
    """The folder of a model's snapshots.

    Parameters
    ----------
    root
        A folder, or ``file://``, ``s3://``, ``gs://``, ``az://`` or ``abfss://`` and what follows.

    Raises
    ------
    UserError
        When the URL is one that snapshots cannot be kept at, or holds credentials.
    """
    if (folder := _local(root)) is not None:
        from assay.data.store_local import LocalStore

        return LocalStore(folder, model)
    from assay.data.store_remote import remote_store

    return remote_store(root, model)


def models_in(root: str) -> list[str]:
    """The folders below a root, by name: models, and whatever else somebody has put there.

    Raises
    ------
    UserError, UnavailableError
        As every method of `Store`.
    """
    return store_of(root, "").names("")


@contextmanager
def reached(doing: str) -> Iterator[None]:
    """Run what may meet a full disk, a lack of rights or a store that is down, and say so as infrastructure.

    Raises
    ------
    UnavailableError
        Of what was being done, and what went wrong.
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise UnavailableError(f"{doing} failed: {said(error)}") from error


def sha256_read(path: Path, read: Read) -> str:
    """SHA-256 of a file's bytes, telling how many were read.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            read(len(chunk))
    return digest.hexdigest()


def said(error: Exception) -> str:
    """What an error of a store or of delta-rs says, in one line, without what its addresses hold beside a place."""
    text = _COLOUR.sub("", str(error)).partition("Debug source")[0]
    return _ADDRESS.sub(lambda found: masked(found[0]), " ".join(text.split()))


def _local(root: str) -> Path | None:
    """The folder that a root is; None where it is a URL that leads elsewhere."""
    if not root.strip():
        raise problem("ASSAY_SNAPSHOTS or --root", "is empty", "name the folder or URL of the snapshots")
    if "://" not in root:
        return Path(root).absolute()
    try:
        parts = urlsplit(root)
    except ValueError as error:
        raise problem(masked(root), f"is no URL: {error}") from None
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None
