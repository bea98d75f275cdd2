"""Log, gate and register a candidate in processes that die at a chosen request; run again; print where it was.

A program: see `children`.
"""

import json
import os
import sys
from collections.abc import Callable

import httpx
import mlflow.onnx
import onnxruntime
import requests
from tests.registry.children import run, unpacked
from tests.registry.support import candidate_of, fresh_name, verdict

from assay.core import Settings
from assay.evidence.opening import archive
from assay.registry.candidates import log_candidate
from assay.registry.images import version_tags
from assay.registry.versions import register

USED = (mlflow.onnx, onnxruntime)  # imported here, so that no child has to
KILLED = 77
STEP = 9  # each kind of request is met in some run, and it stays quick


def work(settings: Settings, model: str) -> None:
    dossier = archive(settings).open(model=model, run_key=f"retrain/{model}")
    candidate = log_candidate(settings, dossier, **candidate_of(dossier))
    if not dossier.verdicts():
        dossier.append(verdict(), candidate=candidate.model_id)
    register(settings, dossier, candidate, version_tags(dossier.records(), dossier.run_id))


def die_at(request: int) -> None:
    sent = 0

    def dying(send: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **kwargs: object) -> object:
            nonlocal sent
            sent += 1
            mine = sent
            answer = send(*args, **kwargs)
            if mine == request:
                os._exit(KILLED)
            return answer

        return counted

    requests.Session.send = dying(requests.Session.send)
    httpx.Client.send = dying(httpx.Client.send)


def main() -> None:
    settings = unpacked(sys.argv[1])
    ended = []
    request = 1
    while True:
        model = fresh_name()

        def killed(model: str = model, request: int = request) -> None:
            die_at(request)
            work(settings, model)

        code = run(killed)
        if code == 0:  # there were fewer requests than that
            break
        rerun = run(lambda model=model: work(settings, model))
        ended.append({"killed": code == KILLED, "rerun": rerun, "model": model, "run_key": f"retrain/{model}"})
        request += STEP
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
