"""`assay dossier show` of a version that mitigation made: which verdict is about which model."""

from dataclasses import replace

import pytest
from tests.governance.verdict.made import ABOUT, check
from typer.testing import CliRunner

from assay.cli import app
from assay.core import Event, Judgement, Outcome, Stopwatch, bind
from assay.evidence import listing as room
from assay.evidence.listing import Line, Listing

FIRST, SECOND = "1" * 64, "2" * 64


def judged(model, outcome, attempt):
    judgement = Judgement(outcome=outcome, checks=[check(outcome=outcome)])
    return replace(bind("fairness", judgement, replace(ABOUT, model=model), Stopwatch()), attempt=attempt)


def listed(*records):
    lines = [
        Line(number=at, kind=each.kind, digest=each.digest, at="now", key="k", record=each, doubt="")
        for at, each in enumerate(records, start=1)
    ]
    return Listing(model="toy", version=1, dossier="d", lines=lines)


@pytest.fixture
def shown(monkeypatch):
    def show(*records):
        monkeypatch.setattr(room, "listing", lambda *_: listed(*records))
        monkeypatch.setattr("assay.evidence.opening.archive", lambda _: None)
        ran = CliRunner().invoke(app, ["dossier", "show", "toy", "1"])
        assert ran.exit_code == 0, ran.output
        return " ".join(ran.output.split())

    return show


def test_two_attempts_are_told_apart_by_their_model(shown):
    facts = {"from": FIRST, "to": SECOND, "method": "reweighing", "attributes": ["sex"]}
    made = Event(event="mitigation", operation="m", by="run", at="now", facts=facts)
    said = shown(judged(FIRST, Outcome.FAIL, 1), made, judged(SECOND, Outcome.PASS, 2))
    for told in (
        "FAIL (model 111111111111, attempt 1)",
        "PASS (model 222222222222, attempt 2)",
        "Made the model 222222222222 from",
        "by reweighing on sex.",
    ):
        assert told in said


def test_the_only_model_is_not_named_at_every_verdict(shown):
    assert "(model" not in shown(judged(FIRST, Outcome.PASS, 1))
