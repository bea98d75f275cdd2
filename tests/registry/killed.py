"""Log, gate and register a candidate in processes that die at a chosen request; run again; print where it was.

Run as a program: forked children start at once, with everything imported, and die for real.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import requests
from tests.registry.support import candidate_of, fresh_dossier, verdict

from assay.core import Settings
from assay.registry.candidates import log_candidate
from assay.registry.dossier import Dossier
from assay.registry.versions import register

KILLED = 77
STEP = 6  # each kind of request is met in some run, and it stays quick


def work(settings: Settings, dossier: Dossier) -> None:
    candidate = log_candidate(settings, dossier, **candidate_of(dossier))
    if not dossier.verdicts():
        dossier.append(verdict())
    register(dossier, candidate, dossier.verdicts(), {})


def die_at(request: int) -> None:
    send, sent = requests.Session.send, 0

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal sent
        sent += 1
        answer = send(*args, **kwargs)
        if sent == request:
            os._exit(KILLED)
        return answer

    requests.Session.send = counted


def in_child(act: Callable[[], None]) -> int:
    """Exit code of a forked child: 0, `KILLED`, or 1 after an error, which is printed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        act()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def main() -> None:
    uri, home = sys.argv[1:]
    settings = Settings(
        home=Path(home), models=Path(home), keys=Path(home) / "keys", snapshots=home, operations_db="", tracking_uri=uri, gateway_url="",
        gateway_token="",
    )  # fmt: skip
    work(settings, fresh_dossier(settings))  # loads what is loaded on first use
    ended = []
    request = 1
    while True:
        dossier = fresh_dossier(settings)

        def killed(dossier: Dossier = dossier, request: int = request) -> None:
            die_at(request)
            work(settings, dossier)

        code = in_child(killed)
        if code == 0:  # there were fewer requests than that
            break
        rerun = in_child(lambda dossier=dossier: work(settings, dossier))
        ended.append({"killed": code == KILLED, "rerun": rerun, "run_id": dossier.run_id, "model": dossier.model})
        request += STEP
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
