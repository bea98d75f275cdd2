"""How long Airflow is kept by parsing `dags/retrain.py` with 100 policies.

Beside it, in the same run: a hand-written DAG file with as many DAGs and tasks of Airflow's own
EmptyOperator. Each file is imported in a fresh process, after `airflow.sdk`, which Airflow itself has
loaded before it parses any file. Run: python bench/dag_parse.py [POLICIES] [REPEATS]
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "include" / "models" / "income"
RETRAIN = ROOT / "dags" / "retrain.py"
TASKS = 14
LIMIT = 0.5

IMPORT = """
import importlib.util, sys, time
import airflow.sdk
spec = importlib.util.spec_from_file_location("parsed", sys.argv[1])
module = importlib.util.module_from_spec(spec)
start = time.perf_counter()
spec.loader.exec_module(module)
seconds = time.perf_counter() - start
dags = {value for value in vars(module).values() if isinstance(value, airflow.sdk.DAG)}
print("measured", seconds, len(dags), sum(len(dag.tasks) for dag in dags))
"""

PEER = f"""
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain

for number in range({{policies}}):
    with DAG(dag_id=f"peer_{{{{number}}}}", schedule="0 2 * * 1", catchup=False, max_active_runs=1) as dag:
        chain(*(EmptyOperator(task_id=f"step_{{{{step}}}}", retries=2) for step in range({TASKS})))
    globals()[dag.dag_id] = dag
"""


def write_models(folder: Path, policies: int) -> None:
    """Copies of the example model under other names; parsing reads no data, so none is copied."""
    policy = (EXAMPLE / "policy.yaml").read_text()
    for number in range(policies):
        name = f"model_{number:03}"
        shutil.copytree(EXAMPLE, folder / name, ignore=shutil.ignore_patterns("data", "__pycache__"))
        (folder / name / "policy.yaml").write_text(re.sub(r"(?m)^model: .*$", f"model: {name}", policy))


def parse(file: Path, models: Path, home: Path) -> tuple[float, int, int]:
    """Seconds, DAGs and tasks of one import in a fresh process."""
    environment = {**os.environ, "ASSAY_MODELS": str(models), "AIRFLOW_HOME": str(home)}
    environment["PYTHONPATH"] = str(ROOT / "include")
    command = [sys.executable, "-W", "ignore", "-c", IMPORT, str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seconds, dags, tasks = done.stdout.rpartition("measured")[2].split()
    return float(seconds), int(dags), int(tasks)


def main(policies: int = 100, repeats: int = 7) -> None:
    """Measure both in turns, so that a busy moment of the machine meets both, and print the medians."""
    with tempfile.TemporaryDirectory() as scratch:
        models, home, peer = Path(scratch, "models"), Path(scratch, "airflow"), Path(scratch, "peer.py")
        models.mkdir()
        write_models(models, policies)
        peer.write_text(PEER.format(policies=policies))
        taken: dict[str, list[float]] = {"assay": [], "peer": []}
        for attempt in range(repeats + 1):
            for name, file in (("assay", RETRAIN), ("peer", peer)):
                seconds, dags, tasks = parse(file, models, home)
                if (dags, tasks) != (policies, policies * TASKS):
                    sys.exit(f"{name}: expected {policies} DAGs of {TASKS} tasks, got {dags} with {tasks} in all")
                if attempt:  # the first only fills the caches
                    taken[name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, label in (("assay", "dags/retrain.py"), ("peer", "hand-written file of EmptyOperators")):
        spread = f"{min(taken[name]):.3f} to {max(taken[name]):.3f}"
        print(f"{label:36} {medians[name]:.3f} s (median of {repeats}, {spread})")
    print(f"{policies} DAGs of {TASKS} tasks: {medians['assay'] / medians['peer']:.2f} times the peer; limit {LIMIT} s")
    if medians["assay"] > LIMIT:
        sys.exit(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
