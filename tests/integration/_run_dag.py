"""Run by a test in a process of its own: the whole DAG through `dag.test()`, its approvals answered over REST."""

import json
import os
import sys
import threading
import time
from pathlib import Path

ANSWERED_BY = {"approval": "reviewer", "risk_approval": "officer"}


def answer(dag_id: str, option: str) -> None:
    """Answer each approval as the person in its role, as soon as it is asked."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    from airflow.api_fastapi.app import create_app

    client, refused = TestClient(create_app(apps="core")), set()
    passwords = json.loads(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text())
    while True:
        for user in ANSWERED_BY.values():
            login = {"username": user, "password": passwords[user]}
            token = client.post("/auth/token", json=login).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            answer_as(client, user, dag_id, option, refused)
        time.sleep(0.5)


def answer_as(client, user: str, dag_id: str, option: str, refused: set[str]) -> None:
    """Approve first without the reason that the risk tier asks for, which must leave the question open."""
    asked = client.get("/api/v2/dags/~/dagRuns/~/hitlDetails", params={"response_received": False}).json()
    for detail in asked["hitl_details"]:
        task = detail["task_instance"]
        if task["state"] == "awaiting_input" and ANSWERED_BY[task["task_id"]] == user:
            print("ASKED " + json.dumps({"subject": detail["subject"], "body": detail["body"]}), flush=True)
            instance = f"/api/v2/dags/{dag_id}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/-1"
            body = {"chosen_options": [option], "params_input": {"reason": "read and understood"}}
            if task["task_id"] not in refused:
                refused.add(task["task_id"])
                body = {"chosen_options": ["Approve"], "params_input": {"reason": " "}}
            client.patch(f"{instance}/hitlDetails", json=body).raise_for_status()


def main(dags: str, dag_id: str, option: str, conf: str) -> None:
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(dag_folder=dags).dags[dag_id]
    threading.Thread(target=answer, args=(dag_id, option), daemon=True).start()
    run = dag.test(run_conf=json.loads(conf))
    states = {instance.task_id: str(instance.state) for instance in run.get_task_instances()}
    print("ENDED " + json.dumps({"state": str(run.state), "run_id": run.run_id, "tasks": states}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
