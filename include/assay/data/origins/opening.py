"""Open whatever a policy names as its source."""

from collections.abc import Sequence
from pathlib import Path

from assay.data.origins.origin import Origin
from assay.data.progress import Progress, silent
from assay.policy import DeltaSource, Source, SqlSource


def open_origin(source: Source, *, base: Path, roots: Sequence[str] = (), progress: Progress = silent) -> Origin:
    """Open a source.

    Parameters
    ----------
    source
        As a policy's ``data.source`` names it.
    base
        The folder that relative paths are meant from.
    roots
        Folders and URLs below which sources must lie; none means everywhere.

    Raises
    ------
    UserError
        When it cannot be read as what it is named.
    UnavailableError
        When a store or a database cannot be reached.
    """
    if isinstance(source, DeltaSource):
        from assay.data.origins.delta import open_delta

        return open_delta(source, base, roots)
    if isinstance(source, SqlSource):
        from assay.data.origins.sql import open_sql

        return open_sql(source, roots)
    from assay.data.origins.files import open_files

    return open_files(source, base, roots, progress)
