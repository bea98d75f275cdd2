"""A policy is tried on a model's past before it governs its future."""

import json
from dataclasses import replace

import pytest
import yaml
from tests.evidence.support import point_at
from tests.pipeline.conftest import NOISE
from tests.pipeline.support import make_folder, make_run, walk
from typer.testing import CliRunner

from assay.cli import app

pytestmark = [pytest.mark.stack, *(pytest.mark.filterwarnings(each) for each in NOISE)]


@pytest.fixture(scope="module")
def past(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("tried")
    settings = replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")
    run = make_run(settings, make_folder(home / "models"))
    walk(run)
    return run


@pytest.fixture
def tried(past, tmp_path, monkeypatch):
    """Run the command with a policy that asks for this AUC."""
    point_at(monkeypatch, past.settings)

    def run(low, *more, model=None):
        raw = yaml.safe_load(past.folder.policy_bytes)
        raw["gates"]["performance"]["checks"] = [{"metric": "auc", "min": low}]
        (tmp_path / "new.yaml").write_text(yaml.safe_dump(raw))
        named = model or past.folder.policy.model
        return CliRunner().invoke(app, ["policy", "backtest", str(tmp_path / "new.yaml"), "--model", named, *more])

    return run


def test_a_stricter_policy_would_have_stopped_the_version(tried):
    ran = tried(0.999)
    assert ran.exit_code == 0, ran.output
    (row,) = [line for line in ran.stdout.splitlines() if "performance" in line]
    assert [cell.strip() for cell in row.split("│")][2:6] == ["performance", "PASS", "FAIL", "stored"]
    assert "auc: PASS -> FAIL: 0.9" in row
    assert ran.stdout.splitlines()[-1] == "1 run: 1 newly stopped, 0 newly let through, 0 unknown, 0 as before."


def test_the_json_says_the_same_and_nothing_else_is_on_standard_output(tried, past):
    found = json.loads(tried(0.61, "--json").stdout)
    (run,) = found["runs"]
    assert (run["version"], run["was"], run["would"]) == (1, "PASS", "PASS")
    assert run["dossier"] == replace(past).dossier.run_id
    assert [(gate["gate"], gate["source"]) for gate in run["gates"]] == [
        (gate, "stored") for gate in ("contract", "performance", "fairness", "robustness")
    ]


def test_mistakes_end_with_a_message(tried, past, tmp_path):
    ran = tried(0.61, model="incom")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f'model: is "{past.folder.policy.model}" in' in ran.stderr
    missing = CliRunner().invoke(app, ["policy", "backtest", str(tmp_path / "none.yaml"), "--model", "income"])
    assert missing.exit_code == 2
    assert "none.yaml: no such file" in missing.stderr
    assert "Example:" in CliRunner().invoke(app, ["policy", "backtest", "--help"]).stdout
