"""What Airflow sees when it parses dags/: one chain per policy, and a DAG that says why where there is none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MITIGATION = ["mitigation", "mitigated_performance_gate", "mitigated_fairness_gate"]
CHAIN = [
    "snapshot",
    "data_validation",
    "training",
    "performance_gate",
    "fairness_gate",
    "robustness_gate",
    "registration",
    "model_card",
    "approval",
    "risk_approval",
    "canary_promotion",
]


def parse(home: Path, models: Path, script: str = "_parse.py") -> dict:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASSAY_"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "PYTHONPATH": str(ROOT / "include"),
        "ASSAY_MODELS": str(models),
    }
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "dags" / script), str(ROOT / "dags")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, ran.stderr[-3000:]
    return json.loads(lines[-1].removeprefix("FOUND "))


def without_mitigation(policy: str) -> str:
    data = yaml.safe_load(policy)
    del data["mitigation"]
    return yaml.safe_dump(data)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The shipped model, one without a schedule, and three whose policies cannot be read."""
    home = tmp_path_factory.mktemp("airflow")
    models = home / "models"
    shutil.copytree(ROOT / "include" / "models", models)
    policy = (models / "income" / "policy.yaml").read_text()
    broken = {
        "misspelt": policy.replace("owner:", "ownr:").replace("model: income", "model: misspelt"),
        "bad_cron": policy.replace('"0 2 * * 1"', '"every monday"').replace("model: income", "model: bad_cron"),
        "not_yaml": "a: [1",
        "plain": without_mitigation(policy.replace("model: income", "model: plain")),
        "by_hand": policy.replace('schedule: "0 2 * * 1"', "schedule: null").replace("model: income", "model: by_hand"),
    }
    for name, text in broken.items():
        shutil.copytree(models / "income", models / name, ignore=shutil.ignore_patterns("data"))
        (models / name / "policy.yaml").write_text(text)
    return parse(home, models)


def test_every_file_imports_and_none_imports_anything_heavy(found):
    assert found["errors"] == {}
    assert found["heavy"] == []


def test_there_is_one_dag_for_each_policy(found):
    names = ("income", "misspelt", "bad_cron", "not_yaml", "plain", "by_hand")
    assert sorted(found["dags"]) == sorted(["audit_registry", *(f"retrain_{name}" for name in names)])


def test_the_chain_is_the_one_way_from_data_to_champion(found):
    tasks = found["dags"]["retrain_plain"]["tasks"]
    assert sorted(tasks) == sorted(CHAIN)
    for before, after in zip(CHAIN, [*CHAIN[1:], None], strict=True):
        assert tasks[before]["downstream"] == ([after] if after else [])
    # anything laxer could turn a failed run green
    assert {task["trigger_rule"] for task in tasks.values()} == {"all_success"}


def test_an_unfair_candidate_has_a_way_round_by_mitigation_and_the_same_audit(found):
    tasks = found["dags"]["retrain_income"]["tasks"]
    assert sorted(tasks) == sorted([*CHAIN, *MITIGATION])
    assert tasks["fairness_gate"]["downstream"] == ["mitigation", "robustness_gate"]
    for before, after in zip(MITIGATION, [*MITIGATION[1:], "robustness_gate"], strict=True):
        assert tasks[before]["downstream"] == [after]
    laxer = {name: task["trigger_rule"] for name, task in tasks.items() if task["trigger_rule"] != "all_success"}
    assert laxer == {"mitigation": "all_failed", "robustness_gate": "one_success"}
    assert "`mitigation` (reweighing) makes another model" in found["dags"]["retrain_income"]["doc"]
    assert "mitigation" not in found["dags"]["retrain_plain"]["doc"]


def test_every_task_has_its_evidence_its_owner_and_a_bounded_number_of_retries(found):
    for name, task in found["dags"]["retrain_income"]["tasks"].items():
        assert task["links"] == ["Evidence"], name
        assert task["owner"] == "credit-analytics"
        assert task["retries"] == (10 if name == "canary_promotion" else 6)


def test_the_dag_says_what_it_is(found):
    dag = found["dags"]["retrain_income"]
    assert dag["tags"] == ["assay", "income", "risk:high"]
    assert dag["active"] == 1
    assert dag["catchup"] is False
    assert "0 2 * * 1" in dag["schedule"]
    assert "Retrain `income` under gates" in dag["doc"]


def test_the_form_asks_for_snapshot_seed_and_reason(found):
    params = found["dags"]["retrain_income"]["params"]
    assert list(params) == ["snapshot", "seed", "reason"]
    assert params["snapshot"]["value"] == "latest"
    assert params["snapshot"]["schema"]["pattern"] == "^(latest|income-[0-9a-f]{16})$"
    assert params["seed"]["schema"]["type"] == ["null", "integer"]
    assert params["reason"]["schema"]["maxLength"] == 500


@pytest.mark.parametrize("task", ["approval", "risk_approval"])
def test_an_approval_asks_for_a_reason_and_for_nothing_else(found, task):
    asks = found["dags"]["retrain_income"]["tasks"][task]["asks"]
    assert list(asks) == ["reason"]
    assert asks["reason"]["value"] is None


def test_a_policy_without_schedule_runs_by_hand_alone(found):
    schedule = found["dags"]["retrain_by_hand"]["schedule"]
    assert schedule in ("None", "Never, external triggers only")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("misspelt", 'unknown key (did you mean "owner"?)'),
        ("bad_cron", "schedule: is not a cron expression"),
        ("not_yaml", "is not YAML"),
    ],
)
def test_a_policy_that_cannot_be_read_gets_a_dag_that_says_why(found, name, said):
    dag = found["dags"][f"retrain_{name}"]
    assert said in dag["doc"]
    assert "invalid-policy" in dag["tags"]
    assert list(dag["tasks"]) == ["policy"]


def test_the_registry_is_audited_every_quarter_of_an_hour(found):
    dag = found["dags"]["audit_registry"]
    assert "*/15 * * * *" in dag["schedule"]
    assert dag["catchup"] is False
    assert dag["active"] == 1
    assert list(dag["tasks"]) == ["audit"]
    assert dag["tasks"]["audit"]["retries"] == 6
    assert "assay audit MODEL --restore" in dag["doc"]
