"""Run in a process of its own: what each person may do in a real Airflow API, as status codes."""

import json
import os
import sys

RUNS = "/api/v2/dags/retrain_income/dagRuns"
ANSWER = f"{RUNS}/manual__1/taskInstances/approval/-1/hitlDetails"
ASKED = {
    "starts a run": ("POST", RUNS, {"logical_date": None}),
    "clears a task": ("POST", "/api/v2/dags/retrain_income/clearTaskInstances", {"dry_run": False}),
    "answers an approval": ("PATCH", ANSWER, {"chosen_options": ["Approve"], "params_input": {}}),
    "reads a run": ("GET", f"{RUNS}/manual__1", None),
    "deletes a run": ("DELETE", f"{RUNS}/manual__1", None),
    "reads connections": ("GET", "/api/v2/connections", None),
    "writes a variable": ("POST", "/api/v2/variables", {"key": "k", "value": "v"}),
    "pauses the DAG": ("PATCH", "/api/v2/dags/retrain_income", {"is_paused": True}),
    "deletes the DAG": ("DELETE", "/api/v2/dags/retrain_income", None),
}


def main():
    from airflow.api_fastapi.app import create_app  # here: whoever only looks for tests need not load Airflow
    from fastapi.testclient import TestClient

    with TestClient(create_app(apps="core")) as http:
        found: dict[str, dict[str, int]] = {}
        for name, variable in json.loads(os.environ["PEOPLE"]).items():
            login = http.post("/auth/token", json={"username": name, "password": os.environ[variable]})
            token = {"Authorization": f"Bearer {login.json()['access_token']}"}
            found[name] = {
                what: http.request(method, path, json=body, headers=token).status_code
                for what, (method, path, body) in ASKED.items()
            }
            http.cookies.clear()
        found["nobody"] = {
            what: http.request(method, path, json=body).status_code for what, (method, path, body) in ASKED.items()
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
