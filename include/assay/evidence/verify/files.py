"""The files that a run keeps: the candidate's, the copies that it started from, and its card."""

import zipfile
from collections.abc import Mapping
from typing import Any

from assay.core import sha256_bytes
from assay.evidence.archive_files import archived_code, archived_model, recorded_version
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted, uncheckable
from assay.registry.artifacts import fetch_folder
from assay.registry.signing import SignatureError, check_model

_INPUTS, _CARD = "inputs", "card"
_CODE, _MODEL = f"{_INPUTS}/assay.zip", f"{_INPUTS}/model.zip"
_UNREADABLE = (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError)


def differing_files(folder: str, expected: Mapping[str, str], files: Mapping[str, bytes]) -> list[Finding]:
    """Every file of a folder that is not as recorded.

    Parameters
    ----------
    expected
        Name, relative to the folder, to SHA-256.
    files
        Name to content.
    """
    found = []
    for name in sorted(expected.keys() | files.keys()):
        path = f"{folder}/{name}"
        if name not in files:
            found.append(Finding(path=path, message="is missing"))
            continue
        digest = sha256_bytes(files[name])
        if name not in expected:
            found.append(Finding(path=path, message=f"was added, with SHA-256 {digest}"))
        elif digest != expected[name]:
            found.append(Finding(path=path, message=f"has SHA-256 {digest}, recorded {expected[name]}"))
    return found


def check_candidate(case: Case) -> Check:
    """Whether the model's files are those that training recorded, and a trusted key signed them.

    Of a mitigated model those of the model before it too: the audit compared the two.
    """
    made = case.trainings
    if not made:
        return uncheckable("candidate", "training")
    found = [each for training in made for each in _of_candidate(case, training.facts)]
    files = sum(len(training.facts["files"]) for training in made)
    return checked(
        "candidate", f"{counted(files, 'file')} of {counted(len(made), 'model')}, and their signatures", found
    )


def _of_candidate(case: Case, facts: Mapping[str, Any]) -> list[Finding]:
    folder = facts["path"].rpartition("/")[0]
    files = fetch_folder(case.settings, folder)
    found = differing_files(folder, facts["files"], files)
    if facts["files"].get(facts["path"].rpartition("/")[2]) != facts["sha256"]:
        found.append(Finding(path=facts["path"], message=f"is recorded with another SHA-256 than {facts['sha256']}"))
    if not found:
        try:
            key = check_model(files, case.dossier.keyring.model_public_keys)
        except SignatureError as error:
            found += [Finding(path=folder, message=reason) for reason in error.reasons]
        else:
            wrong = f"was signed by the key {key}, recorded {facts['key']}"
            found += [Finding(path=folder, message=wrong)] if key != facts["key"] else []
    return found


def check_inputs(case: Case) -> tuple[Check, Check]:
    """Whether the copies that the run started from are unchanged, and the code among them is what judged."""
    request = case.last("request")
    if request is None:
        return uncheckable("inputs", "request"), uncheckable("code", "request")
    facts = request.facts
    expected = {name.removeprefix(f"{_INPUTS}/"): digest for name, digest in facts["files"].items()}
    files = fetch_folder(case.settings, case.file(_INPUTS))
    found = differing_files(_INPUTS, expected, files)
    named = {"policy_sha256": "policy.yaml", "contract_sha256": "contract.json", "train_sha256": "train.py"}
    found += [
        Finding(path=f"{_INPUTS}/{name}", message=f"is recorded with another SHA-256 than {fact}")
        for fact, name in named.items()
        if expected.get(name) != facts[fact]
    ]
    inputs = checked("inputs", f"{counted(len(expected), 'file')} that the run started from", found)
    return inputs, _check_code(files, facts)


def check_card(case: Case) -> Check:
    """Whether the cards are those that the dossier records."""
    expected: dict[str, str] = {}
    for event in case.events("card"):
        expected |= {name.removeprefix(f"{_CARD}/"): digest for name, digest in event.facts["files"].items()}
    found = differing_files(_CARD, expected, fetch_folder(case.settings, case.file(_CARD)))
    return checked("card", f"{counted(len(expected), 'file')} of the model card", found)


def _check_code(files: Mapping[str, bytes], facts: Mapping[str, Any]) -> Check:
    """Whether the archived code, Assay's and the model's, is the recorded code version."""
    own, found = "", []
    try:
        own = archived_code(files["assay.zip"]) if "assay.zip" in files else ""
    except _UNREADABLE:
        return checked("code", "nothing", [Finding(path=_CODE, message="is not an archive that can be read")])
    if "model_files" in facts:
        found += _model_files(files.get("model.zip"), facts)
    version, recorded = recorded_version(own, facts), facts["code_version"]
    if version != recorded:
        found.append(Finding(path=_CODE, message=f"is the code version {version}, recorded {recorded}"))
    return checked("code", "the archived code of the time", found)


def _model_files(content: bytes | None, facts: Mapping[str, Any]) -> list[Finding]:
    """Every archived file of the model's folder that is not as the request records it."""
    try:
        files = {} if content is None else archived_model(content)
    except _UNREADABLE:
        return [Finding(path=_MODEL, message="is not an archive that can be read")]
    found = differing_files(_MODEL, facts["model_files"], files)
    if facts["model_files"].get("train.py") != facts["train_sha256"]:
        found.append(Finding(path=f"{_MODEL}/train.py", message="is recorded with another SHA-256 than train_sha256"))
    return found
