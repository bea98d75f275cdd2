"""Snapshots and their differences as text."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from assay.data.diff import Diff
    from assay.data.snapshots import Snapshot


def described(snapshot: "Snapshot") -> Iterator[str]:
    """A snapshot, as it was last taken, in a few lines; what an older manifest does not say is left out."""
    manifest = {**snapshot.manifest, **snapshot.takings[-1]}
    size = sum(file["bytes"] for file in manifest["files"]) / 1e6
    yield f"{snapshot.id}: {snapshot.rows:,} rows, {len(manifest['schema'])} columns, {size:,.1f} MB"
    told = {
        "source": manifest["source"],
        "query": manifest.get("query"),
        "taken": manifest["created_at"],
        "times": _times(manifest.get("time")),
        "purpose": manifest.get("purpose"),
        "keep until": _kept(snapshot),
        "deleted": snapshot.tombstone and f"on {snapshot.tombstone.at[:10]} by {snapshot.tombstone.by}, all its rows",
        "dropped": ", ".join(manifest.get("dropped", [])),
        "pseudonyms": ", ".join(manifest.get("pseudonymized", {}).get("columns", [])),
        "consent": _consent(manifest.get("consent")),
        "quarantine": _quarantine(manifest.get("quarantine")),
        "split": _split(manifest.get("split")),
        "table": f"version {manifest['table_version']}, content SHA-256 {manifest['content_sha256']}",
    }
    yield from (f"  {name:10}  {value}" for name, value in told.items() if value)
    for each in snapshot.takings[:-1]:
        until = each.get("keep_until")
        why = f" for {each['purpose']}" if each.get("purpose") else ""
        yield f"  {'before':10}  {each['created_at']} from {each['source']}{why}{f', until {until}' if until else ''}"


def told_of(snapshot: "Snapshot") -> dict[str, Any]:
    """The manifest, and beside it what has become of the snapshot since, if anything has."""
    told = dict(snapshot.manifest)
    if len(snapshot.takings) > 1:
        told |= {"takings": [dict(each) for each in snapshot.takings], "kept_until": snapshot.keep_until}
    if snapshot.tombstone is not None:
        told["deleted"] = {name: getattr(snapshot.tombstone, name) for name in ("at", "by", "rows", "bytes")}
    return told


def _times(found: dict[str, Any] | None) -> str:
    return f"{found['column']} from {found['from']} to {found['to']}" if found else ""


def _consent(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    without, read = f"{found['rows_without']:,}", f"{found['rows_read']:,}"
    return f"{without} of {read} rows were left out: {found['column']} is not {found['value']}"


def _quarantine(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    read, bad = f"{found['rows_read']:,}", f"{found['rows_bad']:,}"
    if found["rows_bad"] == found["rows_set_aside"]:
        return (
            f"{bad} of {read} rows were set aside; assay snapshot quarantined lists them" if found["rows_bad"] else ""
        )
    return f"{bad} of {read} rows are bad, and more than a share of {found['limit']:g}: none was set aside"


def _split(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    by = f"{found['by']}{' of ' + found['column'] if found['column'] else ''}"
    rows = ", ".join(f"{count:,} for {side}" for side, count in found["rows"].items() if count)
    return f"{by}: {rows}; equal rows {found['duplicates']}"


def _kept(snapshot: "Snapshot") -> str:
    until = snapshot.keep_until
    if snapshot.tombstone is not None:
        return f"deleted {snapshot.tombstone.at[:10]}"
    if not until:
        return ""
    return f"{until} (OVER)" if until < datetime.now(UTC).date().isoformat() else str(until)


def table_of(found: "list[Snapshot]") -> "Table":
    """A line for each snapshot."""
    from rich.table import Table

    table = Table("snapshot", "rows", "columns", "taken", "keep until", "source", pad_edge=False)
    for each in found:
        last = each.takings[-1]
        table.add_row(
            each.id,
            f"{each.rows:,}",
            str(len(each.manifest["schema"])),
            last["created_at"][:16].replace("T", " "),
            _kept(each),
            last["source"],
        )
    return table


def changes(found: "Diff") -> Iterator[str]:
    """What changed but the distributions."""
    if found.same:
        yield f"{found.before} is compared with itself: nothing can differ"
        return
    one, other = found.rows
    yield f"rows: {one:,} before, {other:,} after ({other / one - 1:+.1%})"
    yield from (f"column added: {name} ({type_})" for name, type_ in found.added)
    yield from (f"column removed: {name} ({type_})" for name, type_ in found.removed)
    yield from (f"column of another type: {name} ({one}, now {other})" for name, one, other in found.retyped)
    yield from (f"{name}: {_short(one)}, now {_short(other)}" for name, one, other in found.terms)
    if found.not_compared:
        yield f"not compared, nearly every row has its own value: {', '.join(found.not_compared)}"
    if found.rekeyed:
        yield f"not compared, pseudonyms under another key or on one side alone: {', '.join(found.rekeyed)}"


def _short(value: Any) -> str:
    text = "none" if value in (None, "", []) else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def movements(found: "Diff", top: int) -> "Table":
    """The columns that moved most."""
    from rich.table import Table

    more = f"; {len(found.movements) - top} more with --top" if len(found.movements) > top else ""
    table = Table(
        "column", "PSI [95 % interval]", "p", "missing", "new categories", title=f"largest movers first{more}"
    )
    for each in found.movements[:top]:
        low, high = each.interval
        before, after = each.missing
        gaps = f"{before:.1%}" if before == after else f"{before:.1%}, now {after:.1%}"
        table.add_row(
            each.column,
            f"{each.psi:.3g} [{low:.3g}, {high:.3g}]",
            f"{each.p_value:.2g}",
            gaps,
            ", ".join(each.appeared),
        )
    return table
