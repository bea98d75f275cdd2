"""Write a file whole or not at all."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file as a whole, making its folder where there is none.

    Whoever reads it finds what was there before or all that is new, also after a kill or a power cut,
    and nobody but its owner reads it before it has its `mode`.

    Raises
    ------
    OSError
        When disk or permissions do not allow it; what was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink()
        raise
