"""Canonical JSON (RFC 8785) and the digests made from it."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_MAX_SAFE_INTEGER = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """Serialise `value` so that equal values always give equal bytes.

    Parameters
    ----------
    value
        Mappings with string keys, sequences, strings, finite numbers, booleans and None.

    Raises
    ------
    ValueError
        For NaN, infinities and integers that a double does not hold as written, which JSON readers
        disagree about.
    TypeError
        For anything that JSON cannot hold.

    References
    ----------
    RFC 8785, JSON Canonicalization Scheme, sections 3.2.2 and 3.2.3.

    Examples
    --------
    >>> canonical_json({"b": 1.0, "a": [1e-7, True, None]})
    b'{"a":[1e-7,true,null],"b":1}'
    """
    return _write(value).encode()


def _write(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return encode_basestring(value)  # what json.dumps comes to, without making an encoder for each text
        case int():
            if abs(value) > _MAX_SAFE_INTEGER and not _is_written_double(value):
                raise ValueError(f"integer {value} has no exact JSON form; write it as a string")
            return str(value)
        case float():
            return _number(value)
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"JSON keys are strings, got {key!r}")
            ordered = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
            return "{" + ",".join(f"{_write(k)}:{_write(v)}" for k, v in ordered) + "}"
        case Sequence() if not isinstance(value, (bytes, bytearray)):
            return "[" + ",".join(map(_write, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _is_written_double(value: int) -> bool:
    """Whether the integer is what a large float reads back as: ``1e20`` is written in digits."""
    try:
        return _number(float(value)) == str(value)
    except OverflowError:
        return False


def _number(value: float) -> str:
    """ECMAScript's Number::toString, which RFC 8785 section 3.2.2.3 prescribes."""
    if not math.isfinite(value):
        raise ValueError(f"{value} has no JSON form")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    scientific = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{scientific}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of `content`, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return sha256_bytes(canonical_json(value))


def sha256_tree(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 over the names (relative to `root`) and contents of `files`, whatever their order."""
    return sha256_json({path.relative_to(root).as_posix(): sha256_file(path) for path in files})
