"""A dossier to write in, and requests that fail, or are counted, on their way to MLflow."""

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from unittest import mock
from uuid import uuid4

import httpx
import requests
from tests.serving.support import onnx_model

from assay.core import Check, Event, Judgement, Outcome, Stopwatch, Subject, bind, utc_now
from assay.evidence.opening import archive

SUBJECT = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="toy-0123456789abcdef", code_version="d" * 64)
INPUTS = {"age": "number", "sector": "text"}


def fresh_name():
    """A model's name that no other test uses: the server is shared."""
    return f"toy_{uuid4().hex[:12]}"


def fresh_dossier(settings):
    """A dossier that was begun and holds nothing, its anchors in the settings' operations database."""
    return archive(settings).open(model=fresh_name(), run_key=f"retrain/{uuid4().hex}")


def verdict(gate="performance", outcome=Outcome.PASS, *, about=SUBJECT, **changes):
    judgement = Judgement(outcome=outcome, checks=[Check(name="check", outcome=outcome, reason="ümläut | 1e-7 < x")])
    return bind(gate, judgement, replace(about, **changes), Stopwatch())


def event(kind="snapshot", operation=None, *, at=None, **facts):
    """An event whose facts give the tags that those of its kind give."""
    known = {
        "snapshot": {"snapshot": SUBJECT.snapshot},
        "training": {"candidate": "m-1", "sha256": SUBJECT.model},
        "registration": {"version": 1, "candidate": "m-1", "sha256": SUBJECT.model},
        "rollout": {"to_stage": "shadow"},
    }
    given = {**known.get(kind, {}), **facts}
    return Event(event=kind, operation=operation or kind, by="retrain/1", at=at or utc_now(), facts=given)


def candidate_of(dossier, **changes):
    """The arguments of `log_candidate`."""
    given = {
        "onnx": onnx_model(model=dossier.model),
        "reference": b"skops",
        "inputs": INPUTS,
        "parameters": {"seed": 7, "max_iter": 100},
        "tags": {"assay.snapshot": SUBJECT.snapshot},
    }
    return {**given, **changes}


def made_candidate(dossier, *, run_id=None):
    """Id of a LoggedModel that holds nothing."""
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    return dossier.client.create_logged_model(experiment, name=dossier.model, source_run_id=run_id).model_id


def made_version(dossier, *, run_id=None):
    """Number of a version that holds nothing."""
    dossier.client.create_registered_model(dossier.model)
    candidate = made_candidate(dossier, run_id=run_id)
    given = {"run_id": run_id, "model_id": candidate, "await_creation_for": 0}
    return int(dossier.client.create_model_version(dossier.model, f"models:/{candidate}", **given).version)


class FailingClient:
    """Hands every call on; after call number `fail_at` has been done its answer is lost."""

    def __init__(self, client, fail_at=0):
        self._client, self._fail_at = client, fail_at
        self.calls = 0

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            self.calls += 1
            if self.calls != self._fail_at:
                return method(*args, **kwargs)
            with suppress(Exception):
                method(*args, **kwargs)
            raise ConnectionResetError(f"the answer to {name} was lost")

        return call


def failing(dossier, fail_at):
    return replace(dossier, client=FailingClient(dossier.client, fail_at))


@dataclass
class Requests:
    """Every request that this process sends, by whichever of its two HTTP clients."""

    seen: list[str] = field(default_factory=list)
    lose: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def through(self, send, lost):
        """`send`, counted; request number `lose` is answered, but the answer is lost."""

        def counted(client, request, **kwargs):
            with self._lock:
                self.seen.append(f"{request.method} {request.url}")
                mine = len(self.seen)
            answer = send(client, request, **kwargs)
            if mine == self.lose:
                raise lost(f"the answer to {self.seen[-1]} was lost")
            return answer

        return counted


@contextmanager
def requests_to_mlflow(lose=0):
    """Count the requests in the block; lose the answer to one of them."""
    found = Requests(lose=lose)
    with (
        mock.patch.object(requests.Session, "send", found.through(requests.Session.send, requests.ConnectionError)),
        mock.patch.object(httpx.Client, "send", found.through(httpx.Client.send, httpx.ReadError)),
    ):
        yield found


def artifacts_of(settings, dossier):
    """The folder on the server's disk that holds a run's files."""
    return settings.home / "artifacts" / dossier.location


def models_of(dossier):
    """Every LoggedModel of the dossier's experiment."""
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    return dossier.client.search_logged_models([experiment])


def versions_of(dossier):
    return dossier.client.search_model_versions(f"name = '{dossier.model}'")
