"""Write a file whole or not at all."""

import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace a file as a whole, making its folder where there is none.

    Whoever reads it finds what was there before or all that is new, also after a kill or a power cut.

    Parameters
    ----------
    mode
        Its permissions, which it has before anything is written to it; without it the umask decides.

    Raises
    ------
    OSError
        When disk or permissions do not allow it; what was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if mode is not None:
                os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
