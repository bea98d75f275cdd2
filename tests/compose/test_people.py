"""The first accounts of Airflow: made by the init job's own script, then tried against a real Airflow API."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.compose.topology import config, environment

HERE = Path(__file__).parent
PEOPLE = {"engineer": "ENGINEER_PASSWORD", "reviewer": "REVIEWER_PASSWORD", "officer": "OFFICER_PASSWORD"}
REFUSED, NOBODY = 403, 401


@pytest.fixture(scope="module")
def may(tmp_path_factory):
    """Person to what was asked to the status code of the answer; the DAG is not there, so 404 means allowed."""
    home = tmp_path_factory.mktemp("airflow")
    own = {name: value for name, value in environment("airflow-init").items() if name.startswith("AIRFLOW__CORE")}
    own |= {"AIRFLOW_HOME": str(home), "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": "include"}
    own |= {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor", "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    own |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}", "ADMIN_USER": "admin"}
    own |= {
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "AIRFLOW__API__SECRET_KEY": "y" * 64,
    }
    own |= {f"{name}_PASSWORD": f"the-password-of-{name}" for name in ("ADMIN", "ENGINEER", "REVIEWER", "OFFICER")}
    (home / "accounts.py").write_text(config("airflow-accounts"))

    def run(*command, **more):
        done = subprocess.run([sys.executable, *command], env={**own, **more}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run("-m", "airflow", "db", "migrate")
    run(str(home / "accounts.py"))
    run(str(home / "accounts.py"))  # again: nothing is there twice
    everybody = PEOPLE | {"admin": "ADMIN_PASSWORD"}
    return json.loads(run(str(HERE / "people.py"), PEOPLE=json.dumps(everybody)).splitlines()[-1])


def allowed(answers):
    return {what for what, status in answers.items() if status not in (REFUSED, NOBODY)}


def test_an_engineer_starts_and_clears_and_never_answers(may):
    assert allowed(may["engineer"]) == {"starts a run", "clears a task", "pauses the DAG", "reads a run"}


@pytest.mark.parametrize("name", ["reviewer", "officer"])
def test_an_approver_answers_and_never_starts(may, name):
    assert allowed(may[name]) == {"answers an approval", "pauses the DAG", "reads a run"}


def test_an_administrator_may_do_all_of_it_and_a_stranger_nothing(may):
    assert allowed(may["admin"]) == set(may["admin"])
    assert allowed(may["nobody"]) == set()
