"""`assay history`: who served what, when, and on whose word."""

import json

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.policy import Rollout as Limits
from assay.rollout import ModelRef, Rollouts, create_tables, open_database

LIMITS = Limits(stages=[25, 100], max_brier=0.2)


@pytest.fixture
def rollouts(tmp_path, monkeypatch):
    """Version 1 promoted on the 1st of March, version 2 a canary from the 3rd, rolled back on the 4th."""
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    monkeypatch.setenv("ASSAY_OPERATIONS_DB", url)
    engine = open_database(url)
    create_tables(engine)
    clock = Clock()
    book = Rollouts(engine, clock)
    clock.now = "2026-03-01T10:00:00.000Z"
    row = begin(book, 1, [{"role": "model_owner", "who": "ann", "at": clock.now}])
    for _ in range(2):
        row = book.advance(row.id, row.epoch)
    clock.now = "2026-03-01T12:00:00.000Z"
    book.promote(row.id, row.epoch)
    clock.now = "2026-03-03T13:00:00.000Z"
    people = [
        {"role": role, "who": who, "at": clock.now} for role, who in (("model_owner", "ann"), ("risk_officer", "bob"))
    ]
    row = begin(book, 2, people)
    clock.now = "2026-03-03T13:30:00.000Z"
    row = book.advance(row.id, row.epoch)
    clock.now = "2026-03-04T13:30:00.000Z"
    book.roll_back(row.id, row.epoch, reason="worse")
    yield book
    engine.dispose()


class Clock:
    now = ""

    def __call__(self):
        return self.now


def begin(book, version, people):
    ref = ModelRef(model="income", version=version, digest=f"{version}" * 64, path="p", entity_column="id")
    evidence = {"dossier": f"dossier{version}", "head": f"head{version}", "approved_by": people}
    return book.begin(ref=ref, run_key=f"retrain_income/{version}", policy=LIMITS, evidence=evidence)


def history(*arguments):
    ran = CliRunner().invoke(app, ["history", *arguments])
    return ran.exit_code, ran.output


def test_it_tells_who_served_when_on_whose_word(rollouts):
    code, said = history("income")
    assert code == 0
    assert "2026-03-03 13:30:00 UTC to 2026-03-04 13:30:00 UTC: version 2, canary with 25 % of the traffic" in said
    assert "approved by ann (model owner), bob (risk officer)" in said
    assert "on dossier dossier2, head head2" in said
    assert "2026-03-04 13:30:00 UTC to now: version 1, champion with 100 % of the traffic" in said
    assert "roll back of rollout 2, by the run retrain_income/2" in said


@pytest.mark.parametrize(
    ("at", "shares"),
    [
        ("2026-03-01 09:59", []),
        ("2026-03-02", [(1, "champion", 100)]),
        ("2026-03-03 13:15", [(1, "champion", 100), (2, "canary", 0)]),
        ("2026-03-03 14:00", [(1, "champion", 75), (2, "canary", 25)]),
        ("2026-03-03T14:00Z", [(1, "champion", 75), (2, "canary", 25)]),
        ("2026-03-03T14:00+01:00", [(1, "champion", 100), (2, "canary", 0)]),
        ("2026-03-04T13:30:00Z", [(1, "champion", 100)]),
    ],
)
def test_it_knows_what_was_in_production_at_a_time(rollouts, at, shares):
    code, said = history("income", "--at", at, "--json")
    found = json.loads(said)
    assert code == 0
    assert [(each["version"], each["role"], each["share"]) for each in found["served"]] == shares
    assert found["at"].endswith("+00:00")


def test_it_says_which_time_it_took(rollouts):
    assert "income on 2026-03-03 13:00:00 UTC:" in history("income", "--at", "2026-03-03 14:00+01:00")[1]
    assert "income on 2026-03-03 14:00:00 UTC:" in history("income", "--at", "2026-03-03 14:00")[1]
    before = history("income", "--at", "2026-02-03 14:00")[1]
    assert "nothing served; its first rollout began on 2026-03-01 10:00:00 UTC" in before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["incom"], 'did you mean "income"?'),
        (["income", "--at", "soon"], "'soon' is not a time"),
        (["income", "--at", "2999-01-01"], "is in the future"),
    ],
)
def test_what_cannot_be_answered_is_one_message(rollouts, arguments, said):
    code, output = history(*arguments)
    assert code == 2
    assert said in output
    assert output.count("\n") == 1
