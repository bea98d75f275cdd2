"""Registered versions by hand, each with the records of its dossier that a catalogue reads."""

import json
from uuid import uuid4

from tests.evidence.policies import policy_of
from tests.registry.support import candidate_of
from tests.serving.support import onnx_model

from assay.core import Check, Event, Judgement, Stopwatch, Subject, bind, sha256_bytes, utc_now
from assay.evidence.opening import archive
from assay.policy import Rollout as Limits
from assay.registry.candidates import log_candidate
from assay.registry.versions import register
from assay.rollout import ModelRef


def registered(settings, model, *, tier="low", at="2026-01-05T10:00:00.000Z", dossier=None):
    """A version, and the dossier that registered it."""
    if dossier is None:
        dossier = archive(settings).open(model=model, run_key=f"retrain_{model}/{uuid4().hex}")
        dossier.store("inputs/policy.yaml", policy_of(model, tier))
    onnx = onnx_model(model=f"{model}_{uuid4().hex[:6]}")
    candidate = log_candidate(settings, dossier, **candidate_of(dossier, onnx=onnx))
    version = register(settings, dossier, candidate, {})
    facts = {
        "version": version, "candidate": candidate.model_id, "sha256": candidate.digest,
        "policy_sha256": sha256_bytes(policy_of(model, tier)),
    }  # fmt: skip
    event = Event(event="registration", operation=f"registration:{candidate.digest}", by="run", at=at, facts=facts)
    dossier.record(event, version=version)
    return version, dossier


def answered(dossier, outcome, reason="the gap is too wide", gate="approval"):
    judgement = Judgement(outcome=outcome, checks=[Check(name="approval", outcome=outcome, reason=reason)])
    about = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="s", code_version="d" * 64)
    return dossier.append(bind(gate, judgement, about, Stopwatch()))


def begun(book, model, version):
    ref = ModelRef(model=model, version=version, digest=f"{version:064d}", path="p", entity_column="id")
    return book.begin(ref=ref, run_key=f"{model}/{version}/{utc_now()}", policy=Limits(max_brier=0.2, stages=[50, 100]))


def promoted(book, row):
    for _ in range(2):
        row = book.advance(row.id, row.epoch)
    return book.promote(row.id, row.epoch)


def changed(dossier, name, old, new):
    content = dossier.read(name)
    assert old in content
    dossier.store(name, content.replace(old, new))
    return json.loads(content) if name.endswith(".json") else content
