"""Run by a test in a process of its own: import dags/ as Airflow does and print what came of it as JSON."""

import json
import sys

from airflow.dag_processing.dagbag import DagBag


def main() -> None:
    bag = DagBag(dag_folder=sys.argv[1])
    heavy = {"mlflow", "pandas", "numpy", "sklearn", "great_expectations", "onnxruntime", "duckdb", "deltalake", "ibis"}
    found = {
        "errors": {str(file): trace for file, trace in bag.import_errors.items()},
        "heavy": sorted(heavy & {name.partition(".")[0] for name in sys.modules}),
        "dags": {
            dag_id: {
                "tags": sorted(dag.tags),
                "doc": dag.doc_md,
                "active": dag.max_active_runs,
                "catchup": dag.catchup,
                "schedule": getattr(dag.timetable, "summary", None) or str(dag.schedule),
                "params": {name: dag.params.get_param(name).serialize() for name in dag.params},
                "tasks": {
                    task.task_id: {
                        "downstream": sorted(task.downstream_task_ids),
                        "owner": task.owner,
                        "retries": task.retries,
                        "doc": task.doc_md,
                        "asks": getattr(task, "serialized_params", {}),
                        "links": [link.name for link in task.operator_extra_links],
                        "trigger_rule": task.trigger_rule.value,
                    }
                    for task in dag.tasks
                },
            }
            for dag_id, dag in bag.dags.items()
        },
    }
    print("FOUND " + json.dumps(found))


if __name__ == "__main__":
    main()
