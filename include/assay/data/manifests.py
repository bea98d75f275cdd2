"""What a manifest has to say, and how: whoever opens, counts or deletes rows by it relies on that.

A manifest is a file that anybody with rights to the folder can edit. The files that it names are read, and deleted in
the end, so that they have to be the rows of the model's own table and nothing else.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

_ROWS = re.compile(r"table/[^/\0]+\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def flaws_of(manifest: Mapping[str, Any], snapshot_id: str, model: str) -> list[str]:
    """The names of what is missing in a manifest or is not what it has to be.

    Parameters
    ----------
    manifest
        As it was read.
    snapshot_id, model
        What it is the manifest of, going by its place.
    """
    own: dict[str, Callable[[Any], bool]] = {
        "id": lambda value: bool(value == snapshot_id),
        "model": lambda value: bool(value == model),
        "table_version": _is_count,
        "files": lambda value: _is_list(value, _is_file),
        "schema": lambda value: _is_list(value, _is_column),
        "rows": _is_count,
        "content_sha256": is_sha256,
        "created_at": is_instant,
    }
    return [name for name, fits in own.items() if not fits(manifest.get(name))] + flaws_of_taking(manifest)


def flaws_of_taking(taking: Mapping[str, Any]) -> list[str]:
    """The same of what is said of a taking of rows; what it does not say is no flaw."""
    fits: dict[str, Callable[[Any], bool]] = {
        "extracted_at": is_instant,
        "keep_until": is_day,
        **dict.fromkeys(("split", "time", "consent", "quarantine"), lambda value: isinstance(value, dict)),
    }
    return [name for name, fit in fits.items() if taking.get(name) is not None and not fit(taking[name])]


def flaws_of_entry(manifest: Mapping[str, Any]) -> list[str]:
    """The same of what the manifest of rows that were set aside says beside that."""
    kinds = {"snapshot": str, "key": str, "rows_read": int, "reasons": dict}
    return [name for name, kind in kinds.items() if not isinstance(manifest.get(name), kind)]


def is_rows(path: Any) -> bool:
    """Whether a path in a model's folder is a file of its table.

    Examples
    --------
    >>> is_rows("table/loan-0123456789abcdef-00000.parquet"), is_rows("table/../../prices.parquet")
    (True, False)
    """
    return isinstance(path, str) and _ROWS.fullmatch(path) is not None


def is_sha256(value: Any) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def is_instant(value: Any) -> bool:
    """Whether it is an ISO 8601 instant that says its distance from UTC."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def is_day(value: Any) -> bool:
    """Whether it is a day as `keep_until` has it: days in this form are in the order of their texts."""
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(each, dict) and fits(each) for each in value)


def _is_file(each: Mapping[str, Any]) -> bool:
    return is_rows(each.get("path")) and is_sha256(each.get("sha256")) and _is_count(each.get("bytes"))


def _is_column(each: Mapping[str, Any]) -> bool:
    return isinstance(each.get("name"), str) and isinstance(each.get("type"), str)
