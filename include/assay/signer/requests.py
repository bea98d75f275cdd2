"""What can be asked of the signer, read strictly: a record of a dossier, or a model's list of files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from assay.core import Event, Record, Verdict, canonical_json, record_from_dict
from assay.registry.signing import SIGNATURE, is_plain

_DOSSIER = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_OPERATION = 1024
_MOST_FILES = 10_000
_LONGEST_NAME = 1024


class RequestRefusedError(Exception):
    """Why something is not signed, in one sentence, with the HTTP status that says so."""

    def __init__(self, sentence: str, *, status: int = 422) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordRequest:
    """A verdict or an event to be signed at its place in a dossier."""

    dossier: str
    number: int
    record: Record

    @property
    def kind(self) -> str:
        """Whether it is a verdict or an event, and which."""
        return f"{'verdict' if isinstance(self.record, Verdict) else 'event'} {self.record.kind}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRequest:
    """A model's files, each with its SHA-256, to be signed for the dossier of the run that made them."""

    dossier: str
    files: Mapping[str, str]


def read_record_request(content: bytes) -> RecordRequest:
    """Read what asks for a record's signature.

    Raises
    ------
    RequestRefusedError
        When it is anything else.
    """
    raw = _object(content, {"dossier", "number", "digest", "record"})
    if type(raw["number"]) is not int or raw["number"] < 1:
        raise RequestRefusedError("number is not a whole number from 1")
    record = _record(raw["record"])
    if record.digest != raw["digest"]:
        raise RequestRefusedError(f"digest is not the record's, which is {record.digest}")
    return RecordRequest(dossier=_dossier(raw), number=raw["number"], record=record)


def read_model_request(content: bytes) -> ModelRequest:
    """Read what asks for a model's signature.

    Raises
    ------
    RequestRefusedError
        When it is anything else.
    """
    raw = _object(content, {"dossier", "files"})
    files = raw["files"]
    if not isinstance(files, dict) or not 1 <= len(files) <= _MOST_FILES:
        raise RequestRefusedError(f"files is not a list of 1 to {_MOST_FILES:,} names with their digests")
    for name, digest in files.items():
        if not (is_plain(name) and name.isprintable() and len(name) <= _LONGEST_NAME) or name == SIGNATURE:
            raise RequestRefusedError(f"{name[:100]!r} is not the name of a file in a model's folder")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise RequestRefusedError(f"the digest of {name[:100]!r} is not a SHA-256")
    return ModelRequest(dossier=_dossier(raw), files=files)


def _object(content: bytes, names: set[str]) -> dict[str, Any]:
    """A JSON object of these very names."""
    try:
        raw = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise RequestRefusedError("the request is not JSON, or names a field twice") from None
    if not isinstance(raw, dict) or raw.keys() != names:
        raise RequestRefusedError(f"the request does not consist of {', '.join(sorted(names))}")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is named twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _dossier(raw: Mapping[str, Any]) -> str:
    if not isinstance(raw["dossier"], str) or not _DOSSIER.fullmatch(raw["dossier"]):
        raise RequestRefusedError("dossier is not the id of an MLflow run")
    return str(raw["dossier"])


def _record(raw: Any) -> Record:
    """A verdict or event in which every field has its type, and which is written back as it was read."""
    if not isinstance(raw, dict):
        raise RequestRefusedError("record is neither a verdict nor an event")
    form = Event if "event" in raw else Verdict
    try:
        _form(form).validate_json(json.dumps(raw), strict=True)
        record = record_from_dict(raw)
        whole = canonical_json(record.to_dict()) == canonical_json(raw)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RequestRefusedError(f"record does not have the form of {_called(form)}") from None
    if not whole:
        raise RequestRefusedError(f"record holds what {_called(form)} does not")
    if not _KIND.fullmatch(record.kind):
        raise RequestRefusedError("record is of a kind that is not a name")
    if isinstance(record, Event) and not 1 <= len(record.operation) <= _LONGEST_OPERATION:
        raise RequestRefusedError(f"operation is not a key of 1 to {_LONGEST_OPERATION:,} characters")
    return record


def _called(form: type) -> str:
    return "an event" if form is Event else "a verdict"


@cache
def _form(form: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(form)
