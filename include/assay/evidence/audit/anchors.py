"""The table of anchors, and the copy of it that is kept elsewhere."""

from collections.abc import Sequence

from assay.core import UserError
from assay.evidence.audit.deviation import Deviation, key
from assay.evidence.audit.looks import Looks
from assay.registry.archive import Archive
from assay.rollout.anchors import AnchorTable
from assay.rollout.incidents import Incidents
from assay.rollout.shipping import ship

EVERY_MODEL = "(all models)"
"""Whom an incident of the anchors concerns."""


def audit_anchors(archive: Archive, incidents: Incidents) -> tuple[Looks, int | None]:
    """Check the table of anchors, and ship it where there is a place to ship it to; with how many were shipped."""
    table, file, shipped = AnchorTable(incidents.engine), archive.settings.anchors_file, None
    looks = Looks(incidents=incidents, model=EVERY_MODEL, restore=None)
    mend = "trust no dossier before you know who changed what: restore the operations database from a backup"
    with looks.at("the anchors", key("anchors", "table")):
        wrong = table.check()
        looks.found += [_deviation("table", wrong, mend)] if wrong else []
    if file is not None:
        with looks.at("the shipped anchors", key("anchors", "shipped")):
            try:
                shipped = ship(table, file)
            except UserError as error:
                looks.found.append(_deviation("shipped", [f"{file}: {each}" for each in error.problems], mend))
    looks.tell()
    return looks, shipped


def _deviation(what: str, wrong: Sequence[str], mend: str) -> Deviation:
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return Deviation(
        key=key("anchors", what),
        model=EVERY_MODEL,
        version=None,
        kind="anchors",
        message=f"{wrong[0]}{more}",
        mend=mend,
    )
