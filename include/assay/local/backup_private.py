"""Private keys and passwords in a backup: encrypted with a passphrase, or not in it at all."""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from assay.core import problem

PASSPHRASE = "ASSAY_BACKUP_PASSPHRASE"  # noqa: S105 (the variable's name)
_SALT, _SHORTEST = 16, 16


def pack(files: Mapping[str, Path], passphrase: str) -> bytes:
    """Encrypt the files that are there (AES-128-CBC with HMAC by Fernet, key by scrypt).

    Raises
    ------
    UserError
        When the passphrase is too short.
    """
    from cryptography.fernet import Fernet

    if len(passphrase) < _SHORTEST:
        raise problem(PASSPHRASE, f"must have at least {_SHORTEST} characters", "it protects the private keys")
    salt = os.urandom(_SALT)
    content = {name: base64.b64encode(file.read_bytes()).decode() for name, file in files.items() if file.is_file()}
    return salt + Fernet(_key(passphrase, salt)).encrypt(json.dumps(content).encode())


def unpack(content: bytes, passphrase: str) -> dict[str, bytes]:
    """Decrypt what `pack` made.

    Raises
    ------
    UserError
        When it is another passphrase's.
    """
    from cryptography.fernet import Fernet, InvalidToken

    try:
        opened = json.loads(Fernet(_key(passphrase, content[:_SALT])).decrypt(content[_SALT:]))
    except InvalidToken:
        raise problem(PASSPHRASE, "does not open the private keys of this backup") from None
    return {name: base64.b64decode(text) for name, text in opened.items()}


def _key(passphrase: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return base64.urlsafe_b64encode(Scrypt(salt=salt, length=32, n=2**16, r=8, p=1).derive(passphrase.encode()))
