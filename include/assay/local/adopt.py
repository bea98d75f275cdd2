"""Let a command speak to the stack of its folder without being told where each server is."""

import os

from assay.core import Settings
from assay.local.environment import client_settings
from assay.local.secrets import load_or_create, secrets_file
from assay.local.state import load, state_file

_TOLD = ("MLFLOW_TRACKING_URI", "ASSAY_OPERATIONS_DB")


def adopt() -> None:
    """Take the addresses and the credentials of the stack in ``ASSAY_HOME`` into this process's environment.

    Nothing is changed where the shell says where things are, or no stack was ever started here.

    Raises
    ------
    UserError
        When the stack's files are not what it wrote.
    """
    home = Settings.from_environment().home
    if any(name in os.environ for name in _TOLD) or not (state_file(home).is_file() and secrets_file(home).is_file()):
        return
    ports = load(home).ports
    if not ports:
        return
    for name, value in client_settings(home, ports, load_or_create(home)).items():
        os.environ.setdefault(name, value)
