"""A dossier to write in, and a client that fails at a chosen call."""

from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

from tests.serving.support import onnx_model

from assay.core import Check, Judgement, Outcome, Stopwatch, Subject, bind
from assay.registry.dossier import open_dossier

SUBJECT = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="toy-0123456789abcdef", code_version="d" * 64)
INPUTS = {"age": "number", "sector": "text"}


def fresh_name():
    """A model's name that no other test uses: the server is shared."""
    return f"toy_{uuid4().hex[:12]}"


def fresh_dossier(settings, **facts):
    return open_dossier(settings, model=fresh_name(), run_key=f"retrain/{uuid4().hex}", facts=facts)


def verdict(gate="performance", outcome=Outcome.PASS, *, about=SUBJECT, **changes):
    judgement = Judgement(outcome=outcome, checks=[Check(name="check", outcome=outcome, reason="ümläut | 1e-7 < x")])
    return bind(gate, judgement, replace(about, **changes), Stopwatch())


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


def artifacts_of(settings, dossier):
    """The folder on the server's disk that holds a run's files."""
    uri = dossier.client.get_run(dossier.run_id).info.artifact_uri
    return settings.home / "artifacts" / uri.removeprefix("mlflow-artifacts:/")


def models_of(dossier):
    """Every LoggedModel of the dossier's experiment."""
    experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
    return dossier.client.search_logged_models([experiment])


def versions_of(dossier):
    return dossier.client.search_model_versions(f"name = '{dossier.model}'")
