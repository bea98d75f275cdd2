"""Back an installation up into one folder, and put it back where nothing is yet."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from assay.core import Problem, UnavailableError, UserError, canonical_json, fault_point, problem, utc_now
from assay.local.backup_parts import Parts, put_file, put_folder, sync
from assay.local.backup_private import pack, unpack

MANIFEST, PRIVATE = "manifest.json", "private.enc"
_FORM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a backup holds: how many files, which stores not, and whether private keys are in it."""

    files: int
    elsewhere: tuple[str, ...]
    private: bool


def create(parts: Parts, target: Path, *, private: dict[str, Path] | None = None, passphrase: str = "") -> Summary:
    """Write a backup; a kill leaves a folder ``.NAME.partial-*`` that nobody takes for one.

    Databases come first and files after them: what a database names was written before, so it is in the backup.

    Parameters
    ----------
    target
        The folder to make.
    private
        Name to file of private keys and passwords, which are encrypted with `passphrase`; None to leave them out.

    Raises
    ------
    UserError
        When the target exists, or a part is not a plain file or folder.
    UnavailableError
        When a part cannot be read, or the target cannot be written.
    """
    if target.exists():
        raise problem(str(target), "exists", "name a folder that is not there yet")
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.partial-"))
        _copy(parts, draft)
        if private is not None:
            (draft / PRIVATE).write_bytes(pack(private, passphrase))
        content = _contents(draft)
        manifest = {
            "form": _FORM,
            "made_at": utc_now(),
            "files": content,
            "folders": sorted(parts.folders),
            "databases": [each.copy_name for each in parts.databases],
            "elsewhere": list(parts.elsewhere),
        }
        (draft / MANIFEST).write_bytes(canonical_json(manifest))
        for path in [*draft.rglob("*"), draft]:
            sync(path)
        fault_point("backup.listed")
        draft.rename(target)
        sync(target.parent)
    except OSError as error:
        raise UnavailableError(f"the backup {target} cannot be written: {error}") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return _summary(manifest)


def check(source: Path) -> Summary:
    """Hold a backup against its manifest.

    Raises
    ------
    UserError
        Listing every file that is changed, missing, or not part of it.
    """
    manifest = _manifest(source)
    found, wanted = _contents(source), manifest["files"]
    wrong = [Problem(path=name, message="is missing") for name in sorted(wanted.keys() - found.keys())]
    wrong += [Problem(path=name, message="is not part of the backup") for name in sorted(found.keys() - wanted.keys())]
    wrong += [
        Problem(path=name, message="was changed since the backup was made")
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    if wrong:
        raise UserError(f"the backup {source}", wrong)
    return _summary(manifest)


def restore(parts: Parts, source: Path, *, private: dict[str, Path] | None = None, passphrase: str = "") -> Summary:
    """Put a backup back. Nothing is written unless every digest holds and no part would overwrite anything.

    Each part is put in place whole. A restore that was killed goes on when it is started again: a file or
    folder that is already what the backup holds is left.

    Raises
    ------
    UserError
        Listing everything that is in the way, or that is wrong with the backup.
    UnavailableError
        When a part cannot be written.
    """
    summary = check(source)
    secrets = unpack((source / PRIVATE).read_bytes(), passphrase) if private is not None else {}
    _require_room(parts, source, {private[name]: content for name, content in secrets.items() if private})
    try:
        for name, folder in parts.folders.items():
            if not _same_folder(source / name, folder):
                put_folder(source / name, folder)
                fault_point(f"restore.{name}")
        for name, file in parts.files.items():
            if (source / name).is_file() and not file.exists():
                put_file(source / name, file, mode=0o644)
        for name, content in secrets.items():
            _put_private((private or {})[name], content)
        for database in parts.databases:
            if database.file is None or not database.file.exists():
                database.restore(source / database.copy_name)
                fault_point(f"restore.{database.name}")
    except OSError as error:
        raise UnavailableError(f"the backup cannot be restored: {error}") from error
    return summary


def _copy(parts: Parts, draft: Path) -> None:
    (draft / "databases").mkdir(mode=0o700)
    for database in parts.databases:
        database.save(draft / database.copy_name)
    fault_point("backup.databases")
    for name, folder in parts.folders.items():
        (draft / name).mkdir(mode=0o700)
        if folder.is_dir():
            _refuse_links(folder)
            shutil.copytree(folder, draft / name, dirs_exist_ok=True)
    for name, file in parts.files.items():
        if file.is_file():
            (draft / name).parent.mkdir(exist_ok=True, mode=0o700)
            shutil.copyfile(file, draft / name)


def _refuse_links(folder: Path) -> None:
    wrong = [
        path for path in folder.rglob("*") if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode)
    ]
    if wrong:
        raise UserError("backup", [Problem(path=str(each), message="is no plain file or folder") for each in wrong])


def _contents(root: Path) -> dict[str, str]:
    """Path to SHA-256 of every file but the manifest."""
    return {name: _digest(path) for name, path in _files(root) if name != MANIFEST}


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(root).as_posix(), path


def _digest(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _manifest(source: Path) -> dict[str, Any]:
    try:
        found = json.loads((source / MANIFEST).read_bytes())
        complete = found["form"] == _FORM and isinstance(found["files"], dict)
    except (OSError, ValueError, LookupError, TypeError):
        complete = False
    if not complete:
        raise problem(str(source), "is no complete backup", "name a folder that `assay backup create` has finished")
    return dict(found)


def _require_room(parts: Parts, source: Path, secrets: dict[Path, bytes]) -> None:
    """Refuse to overwrite anything, or to restore a backup that lacks a part."""
    missing = [each.copy_name for each in parts.databases if not (source / each.copy_name).is_file()]
    missing += [name for name in parts.folders if not (source / name).is_dir()]
    wrong = [Problem(path=name, message="is not in the backup") for name in missing]
    for place, free in _targets(parts, source, secrets):
        if not free:
            message = "holds something else already"
            wrong.append(Problem(path=place, message=message, mend="restore to where nothing is yet"))
    if wrong:
        raise UserError("nothing was restored", wrong)


def _targets(parts: Parts, source: Path, secrets: dict[Path, bytes]) -> Iterator[tuple[str, bool]]:
    for database in parts.databases:
        copy = source / database.copy_name
        same = database.file is not None and database.file.is_file() and copy.is_file() and _same(copy, database.file)
        yield database.place, same or database.is_empty()
    for name, folder in parts.folders.items():
        yield str(folder), not folder.exists() or _is_empty(folder) or _same_folder(source / name, folder)
    for name, file in parts.files.items():
        yield str(file), not file.exists() or ((source / name).is_file() and _same(source / name, file))
    for file, content in secrets.items():
        yield str(file), not file.exists() or file.read_bytes() == content


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _same(one: Path, other: Path) -> bool:
    return _digest(one) == _digest(other)


def _same_folder(one: Path, other: Path) -> bool:
    return one.is_dir() and other.is_dir() and not other.is_symlink() and _contents(one) == _contents(other)


def _put_private(file: Path, content: bytes) -> None:
    from assay.core import replace_file

    replace_file(file, content, mode=0o600)


def _summary(manifest: dict[str, Any]) -> Summary:
    names = manifest["files"]
    return Summary(files=len(names), elsewhere=tuple(manifest["elsewhere"]), private=PRIVATE in names)
