"""Snapshots kept in an object store: S3 and what speaks its protocol, Google's, Azure's."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assay.core import UnavailableError, problem, sha256_file
from assay.data import cache
from assay.data.store import DamagedError, Read, said
from assay.policy import masked

if TYPE_CHECKING:
    from assay.core import UserError

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
"""What both obstore and delta-rs reach, with credentials out of one environment, and can write to conditionally."""

_MARKER = ".assay"
_PIECE = 1 << 22
_RETRIES, _PATIENCE = 3, 60  # seconds; a task that fails here is tried again later
_HTTP = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
# where a machine in a cloud is asked for credentials of its own, which is done last
_NO_CREDENTIALS = re.compile(r"/latest/api/token|/metadata/identity|/computeMetadata/")
_DENIED = re.compile(r"status code: 40[13]\b")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class RemoteStore:
    """A `Store` at a URL. What the store has is the truth; `cache` keeps copies that are checked at each opening.

    Attributes
    ----------
    root
        The URL of all snapshots, without a slash at its end.
    model
        Whose folder it is.
    """

    root: str
    model: str
    shared: bool = field(default=True, init=False)

    def place(self, path: str = "") -> str:
        """The URL."""
        return "/".join(part for part in (self.root, self.model, path) if part)

    def prepare(self) -> None:
        """Write a marker twice: the second time a store that knows conditional writes refuses."""
        if self.exchange(_MARKER, None, b"Assay keeps snapshots here.\n") and self.exchange(_MARKER, None, b"Again.\n"):
            raise problem(
                self.root,
                "does not know conditional writes (If-None-Match), so that two writers could overwrite one another",
                "use a store, or a release of it, that does",
            )

    def workspace(self) -> Path:
        """Below ``ASSAY_HOME``."""
        return cache.workspace(self.place())

    def read(self, path: str) -> bytes | None:
        """As `Store` says."""
        import obstore

        with self._reached("reading", path), suppress(FileNotFoundError):
            return bytes(obstore.get(self._objects, path).bytes())
        return None

    def exists(self, path: str) -> bool:
        """As `Store` says."""
        import obstore

        with self._reached("reading", path), suppress(FileNotFoundError):
            obstore.head(self._objects, path)
            return True
        return False

    def names(self, folder: str) -> list[str]:
        """As `Store` says."""
        import obstore

        with self._reached("listing", folder):
            found = obstore.list_with_delimiter(self._objects, prefix=folder or None)
        below = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        names = (each.rstrip("/").rpartition("/")[2] for each in below)
        return sorted(name for name in names if not name.startswith("."))

    def write(self, path: str, content: bytes) -> None:
        """As `Store` says; an object is never seen in part."""
        self._put(path, content, "overwrite")

    def exchange(self, path: str, old: bytes | None, new: bytes) -> bool:
        """As `Store` says: a conditional put, which the store decides."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create"
        if old is not None:
            with self._reached("reading", path), suppress(FileNotFoundError):
                found = obstore.get(self._objects, path)
                mode = {name: found.meta[name] for name in ("e_tag", "version") if found.meta[name] is not None}
                if bytes(found.bytes()) != old:
                    return False
            if mode == "create":
                return False
        try:
            self._put(path, new, mode)
        except (AlreadyExistsError, PreconditionError):
            return self.read(path) == new  # a first answer that was lost on the way comes back as a refusal
        return True

    def remove(self, path: str) -> None:
        """As `Store` says; a copy here goes when nothing has used it for a week."""
        import obstore

        with self._reached("deleting", path), suppress(FileNotFoundError):
            obstore.delete(self._objects, path)

    def bring(self, file: Path, path: str) -> None:
        """Upload it, in parts where it is large, and delete it here; the same bytes are not written over."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._reached("writing", path):
            there = self.exists(path)
            if not (there and self._holds(path, sha256_file(file))):
                small = file.stat().st_size <= 4 * _PIECE
                mode: Any = "create" if small and not there else "overwrite"  # parts know no conditions
                with suppress(AlreadyExistsError):  # another machine was faster; whoever reads it compares it
                    obstore.put(
                        self._objects, path, file, mode=mode,
                        use_multipart=not small, chunk_size=4 * _PIECE, max_concurrency=4,
                    )  # fmt: skip
            file.unlink()

    def _holds(self, path: str, sha256: str) -> bool:
        with suppress(DamagedError):
            return self.now(path)[1] == sha256
        return False

    def now(self, path: str, *, read: Read = lambda _: None) -> tuple[Path, str]:
        """Download it; the copy stays in the cache."""
        import obstore

        with self._reached("reading", path):
            try:
                stream = obstore.get(self._objects, path).stream(_PIECE)
            except FileNotFoundError:
                raise DamagedError(self.place(path), None) from None
            return cache.keep(map(bytes, stream), read)

    def fetch(self, path: str, sha256: str, *, fresh: bool = False, read: Read = lambda _: None) -> Path:
        """As `Store` says; a copy that was changed is fetched again."""
        copy = cache.place_of(sha256)
        with self._reached("reading", path), suppress(FileNotFoundError):
            if not fresh and sha256_file(copy) == sha256:
                cache.touch(copy)
                read(copy.stat().st_size)
                return copy
        copy, found = self.now(path, read=read)
        if found != sha256:
            copy.unlink(missing_ok=True)
            raise DamagedError(self.place(path), found)
        return copy

    def at(self, path: str, sha256: str) -> Path:
        """The copy here; fetched where there is none."""
        copy = cache.place_of(sha256)
        return copy if copy.is_file() else self.fetch(path, sha256)

    def delta(self, path: str) -> tuple[str, dict[str, str] | None]:
        """The URL, and what delta-rs needs beside the environment."""
        options = {"max_retries": str(_RETRIES), "retry_timeout": f"{_PATIENCE}s"}
        return self.place(path), options | ({"allow_http": "true"} if _over_http() else {})

    @cached_property
    def _objects(self) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        try:
            return from_url(
                self.place(),
                client_options={"allow_http": True} if _over_http() else {},
                retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_PATIENCE)},
            )
        except (BaseError, ValueError) as error:
            raise self._refused(f"cannot be reached with what the environment says: {said(error)}", error) from None

    def _put(self, path: str, content: bytes, mode: Any) -> None:
        import obstore

        with self._reached("writing", path):
            obstore.put(self._objects, path, content, mode=mode, use_multipart=False)

    @contextmanager
    def _reached(self, doing: str, path: str) -> Iterator[None]:
        """Say what went wrong: the store's refusals as the user's to mend, all else as infrastructure."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except (BaseError, OSError) as error:
            text = str(error)
            if _NO_CREDENTIALS.search(text):
                raise self._refused("there are no credentials for it", error) from None
            if "NoSuchBucket" in text:
                raise problem(self.root, "there is no such bucket", "create it, or name another") from None
            if _DENIED.search(text):
                raise self._refused(f"the store refuses {doing}", error) from None
            raise UnavailableError(f"{doing} {self.place(path)} failed: {said(error)}") from None

    def _refused(self, message: str, error: Exception) -> "UserError":
        code = _CODE.search(str(error))
        mend = "credentials are read from the environment, such as AWS_ACCESS_KEY_ID; docs/snapshots.md tells which"
        return problem(self.root, f"{message} ({code[1]})" if code else message, mend)


def remote_store(root: str, model: str) -> RemoteStore:
    """A model's folder below a URL.

    Raises
    ------
    UserError
        When the URL has another scheme than `SCHEMES`, no bucket, or something in it that opens doors.
    """
    shown, parts = masked(root), urlsplit(root)
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in ("file", *SCHEMES))
        raise problem(shown, f'snapshots cannot be kept at "{parts.scheme}://"', f"give a folder, or a URL of {known}")
    user, at, _ = parts.netloc.rpartition("@")
    names_a_container = parts.scheme.startswith("abfs") and ":" not in user  # abfss://container@account...
    if parts.query or parts.fragment or (at and not names_a_container):
        raise problem(
            shown, "holds more than a place; credentials are read from the environment", "give the URL without them"
        )
    if not parts.netloc:
        raise problem(shown, "names no bucket")
    return RemoteStore(root.rstrip("/"), model)


def _over_http() -> bool:
    """Whether the environment names an endpoint without TLS, as inside a cluster: then it is meant."""
    return next((os.environ[name] for name in _HTTP if name in os.environ), "").startswith("http://")
