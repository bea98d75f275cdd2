"""A copy of the anchors in a file, one a line, for an operator to keep where the database's masters cannot reach."""

import fcntl
import json
import os
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path

from assay.core import Anchor, Problem, UnavailableError, UserError, canonical_json
from assay.rollout.anchors import AnchorTable, doubts

_SHOWN = 20


def ship(anchors: AnchorTable, file: Path) -> int:
    """Append to `file` the anchors that it lacks, on the disk before this returns; say how many.

    Its last line, if a kill left it unfinished, is finished first. Several processes may do this at
    once.

    Parameters
    ----------
    anchors
        The table.
    file
        One canonical JSON object a line; made (mode 0600) where there is none.

    Raises
    ------
    UserError
        When file and table disagree, as after one of them was rewritten or cut short, or when what
        is to be added does not chain; then the file stays as it is.
    UnavailableError
        When the file cannot be written, or the database does not answer.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            content = stream.read()
            if problems := list(islice(_disagreements(anchors, content), _SHOWN)):
                raise UserError(str(file), problems)
            end = content.rfind(b"\n") + 1
            lacking = _lacking(anchors, content[:end], file)
            stream.seek(end)
            stream.write(b"".join(map(_line, lacking)))
            stream.flush()
            os.fsync(descriptor)
        _sync_folder(file.parent)
    except OSError as error:
        raise UnavailableError(f"{file}: the anchors cannot be shipped: {error.strerror}") from error
    return len(lacking)


def disagreements(anchors: AnchorTable, file: Path) -> list[Problem]:
    """Every line of `file` that is not the table's anchor of that number; a file that lags behind is none.

    Raises
    ------
    UserError
        When there is no such file.
    UnavailableError
        When it cannot be read, or the database does not answer.
    """
    return list(_disagreements(anchors, _read(file)))


def read_shipped(file: Path) -> list[Anchor]:
    """The anchors in `file`, without the last where a kill left it unfinished.

    Raises
    ------
    UserError
        When there is no such file, or a line of it is no anchor or does not chain.
    UnavailableError
        When it cannot be read.
    """
    found, problems = [], []
    for number, line in enumerate(_read(file).split(b"\n")[:-1], 1):
        try:
            found.append(_parse(line))
        except (ValueError, TypeError):
            problems.append(Problem(path=f"line {number}", message="is not an anchor"))
    if not problems:
        problems = [Problem(path="chain", message=doubt) for doubt in doubts(found)]
    if problems:
        raise UserError(str(file), problems[:_SHOWN])
    return found


def _disagreements(anchors: AnchorTable, content: bytes) -> Iterator[Problem]:
    *lines, rest = content.split(b"\n")
    table = anchors.all()
    for number, (line, anchor) in enumerate(zip_longest(lines, islice(table, len(lines))), 1):
        if anchor is None:
            yield Problem(path=f"line {number}", message="the table has no such anchor", mend="was it set back?")
        elif line + b"\n" != _line(anchor):
            yield Problem(
                path=f"line {number}",
                message=f"is not the table's anchor of record {anchor.number} of dossier {anchor.dossier}",
                mend="one of the two was rewritten: trust neither",
            )
    following = next(table, None)
    if rest and not (following and _line(following).startswith(rest)):
        yield Problem(path=f"line {len(lines) + 1}", message="is unfinished, and not the beginning of an anchor")


def _lacking(anchors: AnchorTable, shipped: bytes, file: Path) -> list[Anchor]:
    last = _parse(shipped.splitlines()[-1]) if shipped else None
    lacking = list(anchors.all(after=last.seq if last else 0))
    if wrong := [Problem(path="the table", message=doubt) for doubt in islice(doubts(lacking, last), _SHOWN)]:
        raise UserError(str(file), wrong)
    return lacking


def _parse(line: bytes) -> Anchor:
    """Read one line; a ValueError or TypeError when `_line` did not write it."""
    anchor = Anchor(**json.loads(line))
    hash(anchor)  # a list or an object in a field is none of ours
    if _line(anchor) != line + b"\n":
        raise ValueError("not canonical")
    return anchor


def _line(anchor: Anchor) -> bytes:
    return canonical_json(anchor.to_dict()) + b"\n"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise UserError(str(file), [Problem(path=str(file), message="there is no such file")]) from None
    except OSError as error:
        raise UnavailableError(f"{file}: cannot be read: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Put the file's name on the disk too; its content is there."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
