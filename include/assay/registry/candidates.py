"""Candidates: one MLflow LoggedModel each, holding the bytes that will be gated and served."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import Settings, fault_point, sha256_bytes
from assay.registry.artifacts import TamperedError, fetch_folder
from assay.registry.client import unavailable
from assay.registry.dossier import Dossier
from assay.registry.images import CANDIDATE_SHA256
from assay.registry.keys import Keyring
from assay.registry.signing import SIGNATURE, SignatureError, check_model, folder_digests
from assay.registry.wire import place

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

_ONNX = "model.onnx"
_REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What training made.

    Attributes
    ----------
    model_id
        MLflow's id of the LoggedModel.
    digest
        SHA-256 of the ONNX bytes.
    path
        Where MLflow's artifact endpoint serves those bytes.
    """

    model_id: str
    digest: str
    path: str

    @property
    def folder(self) -> str:
        """Where MLflow's artifact endpoint serves the candidate's files, these bytes among them."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedCandidate(Candidate):
    """A candidate whose files were read back from the registry and vouched for.

    Attributes
    ----------
    files
        Name of every stored file, the signature among them, to its SHA-256.
    key
        Id of the key that signed them.
    """

    files: Mapping[str, str]
    key: str


def log_candidate(
    settings: Settings,
    dossier: Dossier,
    *,
    onnx: bytes,
    reference: bytes,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
) -> SignedCandidate:
    """Sign a candidate and store it once, however often it is asked for, and read it back to be sure.

    Parameters
    ----------
    onnx
        The served form.
    reference
        The scikit-learn original in skops' format. Kept for people; nothing loads it.
    inputs
        Feature name to kind (``number`` or ``text``).
    parameters, tags
        Logged with the LoggedModel.

    Raises
    ------
    UserError
        When there is no key to sign with: nothing is stored then.
    RefusedError, UnavailableError
        When the signer refuses, or a server does not answer.
    TamperedError, SignatureError
        When what is stored is not what was.
    """
    keyring = Keyring.of(settings)
    keyring.require_model_key()
    digest = sha256_bytes(onnx)
    client = dossier.client
    with unavailable("logging the candidate"):
        model = _unfinished(client, dossier, digest)
        if model is None:
            model = client.create_logged_model(
                experiment_id=client.get_run(dossier.run_id).info.experiment_id,
                name=dossier.model,
                source_run_id=dossier.run_id,
                tags={**tags, CANDIDATE_SHA256: digest},
                params={name: str(value) for name, value in parameters.items()},
                model_type="onnx",
            )
            fault_point("candidate.created")
        if str(model.status) != "READY":
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "model"
                _save(folder, onnx, reference, inputs, model.model_id)
                (folder / SIGNATURE).write_bytes(keyring.sign_model(dossier.run_id, folder_digests(folder)))
                client.log_model_artifacts(model.model_id, str(folder))
            fault_point("candidate.uploaded")
            client.finalize_logged_model(model.model_id, "READY")
    fault_point("candidate.ready")
    candidate = read_candidate(settings, _candidate(model, digest))
    _link(dossier, candidate)
    fault_point("candidate.linked")
    return candidate


def read_candidate(settings: Settings, candidate: Candidate) -> SignedCandidate:
    """Read all files of a candidate back, holding them against its digest and its signature.

    Raises
    ------
    UserError
        When this installation has no public keys.
    UnavailableError
        When the registry does not answer.
    TamperedError
        When the ONNX bytes have another digest than the candidate's.
    SignatureError
        When a file is changed, missing or not signed, or no trusted key signed them.
    """
    files = fetch_folder(settings, candidate.folder)
    digests = {name: sha256_bytes(content) for name, content in files.items()}
    if digests.get(_ONNX, candidate.digest) != candidate.digest:
        raise TamperedError(candidate.path, candidate.digest, digests[_ONNX])
    try:
        key = check_model(files, Keyring.open(settings.keys).model_public_keys)
    except SignatureError as error:
        raise error.at(candidate.folder) from None
    return SignedCandidate(
        model_id=candidate.model_id, digest=candidate.digest, path=candidate.path, files=digests, key=key
    )


def _unfinished(client: "MlflowClient", dossier: Dossier, digest: str) -> "LoggedModel | None":
    """What an earlier, perhaps killed, attempt of this very training left."""
    found = client.search_logged_models(
        [client.get_run(dossier.run_id).info.experiment_id],
        filter_string=f"source_run_id = '{dossier.run_id}' AND tags.`{CANDIDATE_SHA256}` = '{digest}'",
        max_results=1,
    )
    return found[0] if found else None


def _save(folder: Path, onnx: bytes, reference: bytes, inputs: Mapping[str, str], model_id: str) -> None:
    """Write MLflow's model format around the bytes, leaving the bytes as they are."""
    import mlflow.onnx
    import numpy as np
    import onnxruntime
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec
    from onnx import load_model_from_string

    types = {"number": np.dtype(np.float32), "text": np.dtype(np.str_)}
    signature = ModelSignature(
        inputs=Schema([TensorSpec(types[kind], (-1, 1), name) for name, kind in inputs.items()]),
        outputs=Schema(
            [
                TensorSpec(np.dtype(np.int64), (-1,), "label"),
                TensorSpec(np.dtype(np.float32), (-1, 2), "probabilities"),
            ]
        ),
    )
    mlflow.onnx.save_model(
        load_model_from_string(onnx),
        str(folder),
        mlflow_model=Model(model_id=model_id),
        signature=signature,
        pip_requirements=[f"onnxruntime=={onnxruntime.__version__}"],  # inferring them takes 15 seconds
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    (folder / _ONNX).write_bytes(onnx)
    (folder / _REFERENCE).mkdir()
    (folder / _REFERENCE / "model.skops").write_bytes(reference)


def _link(dossier: Dossier, candidate: Candidate) -> None:
    from mlflow.entities import LoggedModelOutput

    with unavailable("linking run and candidate"):
        outputs = dossier.client.get_run(dossier.run_id).outputs
        linked = {each.model_id for each in outputs.model_outputs} if outputs else set()
        if candidate.model_id not in linked:  # MLflow refuses the same link twice
            dossier.client.log_outputs(dossier.run_id, [LoggedModelOutput(candidate.model_id, 0)])


def _candidate(model: "LoggedModel", digest: str) -> Candidate:
    return Candidate(model_id=model.model_id, digest=digest, path=f"{place(model.artifact_location)}/{_ONNX}")
