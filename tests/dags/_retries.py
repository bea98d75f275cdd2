"""Run by a test in a process of its own: print how long Airflow's own rule waits between a task's attempts."""

import json
import sys
from datetime import UTC, datetime


def waits(dag, task) -> list[float]:
    """Seconds between an attempt's end and the next one's earliest start, attempt by attempt."""
    from airflow.models.taskinstance import TaskInstance

    ended = datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    for number in range(1, task.retries + 1):
        instance = TaskInstance(task=task, dag_version_id=None, run_id="manual__1")
        instance.try_number, instance.end_date = number, ended
        found.append((instance.next_retry_datetime() - ended).total_seconds())
    return found


def main() -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    found = {}
    for dag in DagBag(dag_folder=sys.argv[1]).dags.values():
        known = DagSerialization.from_dict(DagSerialization.to_dict(dag))  # as the scheduler knows it
        found |= {f"{dag.dag_id}.{task.task_id}": waits(known, task) for task in known.tasks}
    print("FOUND " + json.dumps(found))


if __name__ == "__main__":
    main()
