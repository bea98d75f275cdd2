"""Snapshots and their differences as text."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from assay.data.diff import Diff
    from assay.data.snapshots import Snapshot


def described(snapshot: "Snapshot") -> Iterator[str]:
    """A manifest in a few lines; what an older one does not say is left out."""
    manifest = snapshot.manifest
    size = sum(file["bytes"] for file in manifest["files"]) / 1e6
    yield f"{snapshot.id}: {snapshot.rows:,} rows, {len(manifest['schema'])} columns, {size:,.1f} MB"
    told = {
        "source": manifest["source"],
        "query": manifest.get("query"),
        "taken": manifest["created_at"],
        "times": _times(manifest.get("time")),
        "purpose": manifest.get("purpose"),
        "keep until": _kept(manifest),
        "dropped": ", ".join(manifest.get("dropped", [])),
        "pseudonyms": ", ".join(manifest.get("pseudonymized", {}).get("columns", [])),
        "consent": _consent(manifest.get("consent")),
        "split": _split(manifest.get("split")),
        "table": f"version {manifest['table_version']}, content SHA-256 {manifest['content_sha256']}",
    }
    yield from (f"  {name:10}  {value}" for name, value in told.items() if value)


def _times(found: dict[str, Any] | None) -> str:
    return f"{found['column']} from {found['from']} to {found['to']}" if found else ""


def _consent(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    without, read = f"{found['rows_without']:,}", f"{found['rows_read']:,}"
    return f"{without} of {read} rows were left out: {found['column']} is not {found['value']}"


def _split(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    by = f"{found['by']}{' of ' + found['column'] if found['column'] else ''}"
    rows = ", ".join(f"{count:,} for {side}" for side, count in found["rows"].items() if count)
    return f"{by}: {rows}; equal rows {found['duplicates']}"


def _kept(manifest: Mapping[str, Any]) -> str:
    until = manifest.get("keep_until")
    if not until:
        return ""
    return f"{until} (OVER)" if until < datetime.now(UTC).date().isoformat() else str(until)


def table_of(found: "list[Snapshot]") -> "Table":
    """A line for each snapshot."""
    from rich.table import Table

    table = Table("snapshot", "rows", "columns", "taken", "keep until", "source", pad_edge=False)
    for each in found:
        taken = each.manifest["created_at"][:16].replace("T", " ")
        table.add_row(
            each.id,
            f"{each.rows:,}",
            str(len(each.manifest["schema"])),
            taken,
            _kept(each.manifest),
            each.manifest["source"],
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
