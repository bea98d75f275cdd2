"""Keep the stack's private keys in the signer's own folder, where older stacks kept them with the public ones."""

from pathlib import Path

from assay.core import Problem, Settings, UserError
from assay.local.environment import keys_folder, signer_folder
from assay.registry.keys import create_keys
from assay.registry.private_keys import FILES, private_keys


def is_to_migrate(home: Path) -> bool:
    """Whether private keys lie where tasks could read them."""
    return any((keys_folder(home) / name).exists() for name in FILES.values())


def prepare_keys(home: Path) -> None:
    """Move private keys to the signer's folder, make those that are missing, and trust their public halves.

    A kill in between leaves each key in one of the two folders; running this again goes on.

    Raises
    ------
    UserError
        When a folder holds what is not a key, or both folders hold different keys for the same use.
    """
    folder = signer_folder(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    pairs = [(keys_folder(home) / name, folder / name) for name in FILES.values()]
    old = [(source, target) for source, target in pairs if source.exists()]
    different = [source for source, target in old if target.exists() and source.read_bytes() != target.read_bytes()]
    if different:
        mend = f"remove the one that is not in use: {folder} is where the signer reads"
        raise UserError(
            "signing keys",
            [Problem(path=str(each), message=f"is another key than that in {folder}", mend=mend) for each in different],
        )
    for source, target in old:
        source.replace(target)
        target.chmod(0o600)
    create_keys(keys_folder(home), private_keys(_settings(home)))


def _settings(home: Path) -> Settings:
    from dataclasses import replace

    return replace(Settings.from_environment(), keys=keys_folder(home), signer_keys=signer_folder(home))
