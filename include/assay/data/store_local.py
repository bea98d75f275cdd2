"""Snapshots kept in a folder on this machine, or on a disk that all machines have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.core import UnavailableError, replace_file
from assay.data.store import DamagedError, Read, sha256_read


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A `Store` in a folder; `staging` lets one process at a time write there.

    Attributes
    ----------
    top
        The root of all snapshots.
    model
        Whose folder it is.
    """

    top: Path
    model: str

    @property
    def root(self) -> str:
        """The root's absolute path."""
        return str(self.top)

    @property
    def shared(self) -> bool:
        """False: a lock on the folder keeps others out."""
        return False

    def place(self, path: str = "") -> str:
        """The absolute path."""
        return str(self._path(path))

    def prepare(self) -> None:
        """Nothing: whether it can be written is seen when it is."""

    def workspace(self) -> Path:
        """The model's folder itself, so that files are moved and not copied."""
        return self._path("")

    def read(self, path: str) -> bytes | None:
        """As `Store` says."""
        with _reached("reading", self._path(path)):
            try:
                return self._path(path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def exists(self, path: str) -> bool:
        """As `Store` says."""
        return self._path(path).is_file()

    def names(self, folder: str) -> list[str]:
        """As `Store` says."""
        with _reached("reading", self._path(folder)):
            try:
                return sorted(each.name for each in self._path(folder).iterdir() if not each.name.startswith("."))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def write(self, path: str, content: bytes) -> None:
        """As `Store` says."""
        with _reached("writing", self._path(path)):
            replace_file(self._path(path), content)

    def exchange(self, path: str, old: bytes | None, new: bytes) -> bool:
        """As `Store` says, under the lock of `staging`."""
        if self.read(path) != old:
            return False
        self.write(path, new)
        return True

    def remove(self, path: str) -> None:
        """As `Store` says."""
        with _reached("deleting", self._path(path)):
            self._path(path).unlink(missing_ok=True)

    def bring(self, file: Path, path: str) -> None:
        """Move it, in one step."""
        with _reached("writing", self._path(path)):
            self._path(path).parent.mkdir(parents=True, exist_ok=True)
            file.replace(self._path(path))

    def now(self, path: str, *, read: Read = lambda _: None) -> tuple[Path, str]:
        """The file itself."""
        found = self._path(path)
        if not found.is_file():
            raise DamagedError(self.place(path), None)
        with _reached("reading", found):
            return found, sha256_read(found, read)

    def fetch(self, path: str, sha256: str, *, fresh: bool = False, read: Read = lambda _: None) -> Path:
        """The file itself."""
        found, digest = self.now(path, read=read)
        if digest != sha256:
            raise DamagedError(self.place(path), digest)
        return found

    def at(self, path: str, sha256: str) -> Path:
        """The file itself, which is not looked at."""
        return self._path(path)

    def delta(self, path: str) -> tuple[str, dict[str, str] | None]:
        """The absolute path, without options."""
        return self.place(path), None

    def _path(self, path: str) -> Path:
        return self.top / self.model / path


@contextmanager
def _reached(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{doing} {path} failed: {' '.join(str(error).split())}") from error
