"""Taking the traffic from a canary by hand."""

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.policy import Rollout as Limits
from assay.rollout import ModelRef, Rollouts, create_tables, open_database


@pytest.fixture
def rollouts(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'operations.db'}"
    monkeypatch.setenv("ASSAY_OPERATIONS_DB", url)
    engine = open_database(url)
    create_tables(engine)
    return Rollouts(engine)


def test_the_canary_loses_its_traffic_and_the_reason_is_kept(rollouts):
    ref = ModelRef(model="income", version=1, digest="0" * 64, path="a/model.onnx", entity_column="id")
    row = rollouts.begin(ref=ref, run_key="run", policy=Limits(max_brier=0.2))
    ran = CliRunner().invoke(app, ["rollback", "income", "--reason", "callers report timeouts"])
    assert ran.exit_code == 0, ran.output
    ended = rollouts.get(row.id)
    assert (ended.state, ended.reason) == ("rolled_back", "rolled back by hand: callers report timeouts")
    assert rollouts.history("income")[-1].evidence["reason"] == ended.reason


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rollback", "income", "--reason", "why not"], "no rollout is under way"),
        (["rollback", "income", "--reason", " "], "--reason: is empty"),
    ],
)
def test_there_must_be_a_rollout_and_a_reason(rollouts, arguments, said):
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 2
    assert said in ran.output
