"""`trusted.json`: every public key that ever signed, whose it is, and up to which anchor it counts."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.core import Problem, UserError, problem, replace_file
from assay.registry.pem import USES, Use, key_id, parse_public_key, public_pem, use_of
from assay.registry.private_keys import MEND

PLATFORM = "platform"
"""Owner of the keys that the pipeline itself signs with; any other owner is a person."""

TRUSTED = "trusted.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKey:
    """A public key whose signatures count.

    Attributes
    ----------
    id
        First 16 hexadecimal digits of the SHA-256 of the public key in DER.
    use
        ``records`` (Ed25519) or ``models`` (P-256).
    owner
        `PLATFORM`, or the person whose key it is.
    public_key
        PEM text.
    until
        The last anchor there was when the key was rotated out; None while it is in use.
    """

    id: str
    use: Use
    owner: str
    public_key: str
    until: int | None = None


def read_trusted(folder: Path) -> dict[str, TrustedKey]:
    """Read the public keys of a folder, by id.

    Raises
    ------
    UserError
        When there are none, or the file is not what `write_trusted` wrote.
    """
    path = folder / TRUSTED
    try:
        entries = [_trusted(entry) for entry in json.loads(path.read_bytes())]
    except FileNotFoundError:
        raise problem(str(path), "no such file, so no signature can be made or checked", MEND) from None
    except OSError as error:
        raise problem(str(path), f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise problem(str(path), "is not a list of public keys", "restore it from a backup") from None
    wrong = [Problem(path=entry.id, message=message) for entry in entries if (message := _mismatch(entry, path))]
    if wrong:
        raise UserError(str(path), wrong)
    return {entry.id: entry for entry in entries}


def write_trusted(folder: Path, entries: list[TrustedKey]) -> None:
    """Replace the file as a whole; everybody may read it."""
    content = json.dumps([asdict(entry) for entry in entries], indent=2) + "\n"
    replace_file(folder / TRUSTED, content.encode())


def trust(use: Use, owner: str, public: Any) -> TrustedKey:
    """An entry for a new public key."""
    return TrustedKey(id=key_id(public), use=use, owner=owner, public_key=public_pem(public))


def _trusted(entry: Any) -> TrustedKey:
    """One entry of the file; a TypeError when it is not what `write_trusted` writes."""
    found = TrustedKey(**entry)
    texts = (found.id, found.owner, found.public_key)
    if not all(isinstance(each, str) for each in texts) or found.use not in USES:
        raise TypeError("not a trusted key")
    if found.until is not None and type(found.until) is not int:
        raise TypeError("not the number of an anchor")
    return found


def _mismatch(entry: TrustedKey, place: Path) -> str:
    """Why an entry does not say what its public key is; empty when it does."""
    public = parse_public_key(entry.public_key, place)
    if key_id(public) != entry.id:
        return "is not the id of its public key"
    return "" if use_of(public) == entry.use else f"is not a key for {entry.use}"
