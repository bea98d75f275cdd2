"""Labelled traffic, good and bad, and what moves a rollout to its last stage."""

from dataclasses import replace
from uuid import uuid4

from assay.core import Check, Judgement, Outcome, utc_now
from assay.evidence.opening import rollouts
from assay.pipeline import promotion
from assay.rollout import Label, Prediction, Request, record, record_labels


def passed(run, gate):
    judgement = Judgement(outcome=Outcome.PASS, checks=[Check(name=gate, outcome=Outcome.PASS, reason="good enough")])
    run.decide(gate, lambda: judgement, trained=gate != "contract")


def later(run):
    """The run as the next process sees it."""
    return replace(run)


def book(run):
    return rollouts(run.settings)


def traffic(run, score, rows=200):
    """Log labelled rows that the canary scored: `score(label)` is its answer."""
    model = run.folder.policy.model
    now = book(run).current(model)
    requests, labels = [], []
    for row in range(rows):
        name, label = uuid4().hex, row % 2
        scored = [(now.canary, "canary", True)] + ([(now.champion, "shadow", False)] if now.champion else [])
        predictions = [
            Prediction(
                row=0, entity=name, version=ref.version, arm=arm, served=served, features="{}",
                score=score(label) if arm == "canary" else 0.5, error=None, latency_us=1,
            )
            for ref, arm, served in scored
        ]  # fmt: skip
        requests.append(
            Request(
                model=model, request_id=name, body_sha256="", status=200, answer="{}", epoch=now.epoch, at=utc_now(),
                predictions=predictions,
            )
        )  # fmt: skip
        labels.append(Label(request_id=name, row=0, label=label))
    record(book(run).engine, requests)
    record_labels(book(run).engine, model, labels, at=utc_now())


def good(label):
    return 0.9 if label else 0.1


def bad(label):
    return 1 - good(label)


def to_the_last_stage(run):
    """Begin, and move until only the promotion is left; the gateway serves the version by then."""
    row = promotion.begin(later(run))
    run.says["champion"] = {"version": row.version}
    for _ in row.policy.stages:
        traffic(run, good)
        assert promotion.move(later(run)) is None
    traffic(run, good)
    return row.version
