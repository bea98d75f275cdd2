"""Which ports the stack listens on: asked for, remembered, preferred, or the next free one."""

import socket
from collections.abc import Mapping

from assay.core import Problem, UserError

PREFERRED = {"airflow": 8080, "mlflow": 5000, "gateway": 8010}
_SEARCH = 200


def is_free(port: int) -> bool:
    """Whether a server on this machine could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection of a server just stopped must not make its port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    # A listener on all addresses does not everywhere refuse the bind above.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def choose(
    *, requested: Mapping[str, int], remembered: Mapping[str, int], settled: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Choose a port for each of `PREFERRED`.

    Parameters
    ----------
    requested
        Ports that somebody asked for by name; each must be free.
    remembered
        Ports of the last start; kept where still free, so that bookmarks keep working.
    settled
        Ports on which our own services listen now; kept as they are.

    Raises
    ------
    UserError
        With every requested port that is taken, out of range or asked for twice.
    """
    chosen = dict(settled or {})
    asked = {name: port for name, port in requested.items() if name not in chosen}
    _refuse(asked)
    chosen |= asked
    for name, preferred in PREFERRED.items():
        if name in chosen:
            continue
        candidates = [remembered[name]] if name in remembered else []
        candidates += range(preferred, preferred + _SEARCH)
        usable = (port for port in candidates if port not in chosen.values() and is_free(port))
        port = next(usable, None)
        if port is None:
            raise UserError("ports", [_none_free(name, preferred)])
        chosen[name] = port
    return {name: chosen[name] for name in PREFERRED}


def _refuse(requested: Mapping[str, int]) -> None:
    problems = []
    for name, port in requested.items():
        option = f"--{name}-port"
        others = [other for other, taken in requested.items() if taken == port and other != name]
        if not 1 <= port <= 65535:
            problems.append(Problem(path=option, message=f"must be between 1 and 65535, got {port}"))
        elif others:
            problems.append(Problem(path=option, message=f"port {port} is also asked for by --{others[0]}-port"))
        elif not is_free(port):
            mend = "end the program that listens there, or leave the option out and a free port is chosen"
            problems.append(Problem(path=option, message=f"port {port} is taken", mend=mend))
    if problems:
        raise UserError("ports", problems)


def _none_free(name: str, preferred: int) -> Problem:
    message = f"no free port between {preferred} and {preferred + _SEARCH - 1}"
    return Problem(path=f"--{name}-port", message=message, mend="name a free one")
