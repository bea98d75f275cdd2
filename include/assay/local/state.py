"""What is remembered of a stack between commands, and the lock that keeps two commands apart."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from assay.core import UnavailableError, problem
from assay.local.private import make_private_folder
from assay.local.processes import Identity
from assay.local.secrets import write_private


@dataclass(kw_only=True, slots=True)
class State:
    """The record of one stack.

    Attributes
    ----------
    ports
        Port by address, of this start or of the last one.
    processes
        Who was started under which service's name and not yet ended.
    prepared
        Version of the package that last prepared each store.
    """

    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Identity] = field(default_factory=dict)
    prepared: dict[str, str] = field(default_factory=dict)


def state_file(home: Path) -> Path:
    """Where the record of the stack in `home` is kept."""
    return home / "stack.json"


def load(home: Path) -> State:
    """Read the record; an absent one is that of a stack never started.

    Raises
    ------
    UserError
        When the file is not what `save` wrote.
    """
    path = state_file(home)
    try:
        raw = json.loads(path.read_text())
        return State(
            ports={name: int(port) for name, port in raw["ports"].items()},
            processes={name: Identity(**identity) for name, identity in raw["processes"].items()},
            prepared=dict(raw["prepared"]),
        )
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError, AttributeError):
        mend = "remove the file, then run `assay down`: it finds processes by their mark as well"
        raise problem(str(path), "is not the record that the stack wrote", mend) from None


def save(home: Path, state: State) -> None:
    """Write the record, whole or not at all."""
    write_private(state_file(home), json.dumps(asdict(state), indent=2) + "\n")


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the stack in `home` alone; the system lets go should this process die.

    Raises
    ------
    UnavailableError
        When another command holds it.
    """
    make_private_folder(home)
    with (home / "stack.lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another `assay up` or `assay down` is at work on {home}; try again when it has ended"
            raise UnavailableError(message) from None
        yield
