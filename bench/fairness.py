"""Group metrics with simultaneous intervals, beside fairlearn's bootstrap and beside a bare group-by.

First 500,000 rows in 8 groups, 5 metrics, 1,000 draws. fairlearn's `MetricFrame(n_boot=10)` is measured
and scaled to 1,000 draws: it computes its point estimates once and then the metrics anew for each draw, so
its time is taken as ``points + 100 * (bootstrap of 10 - points)``. Then 50 million rows of a Parquet
file, from the file to the verdict, beside one DuckDB group-by of the same columns; each in fresh processes, which
also tell their peak memory. Run: python bench/fairness.py [ROWS] [MILLIONS]
"""

import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import fairlearn.metrics as peer
import numpy as np
from sklearn.metrics import accuracy_score, precision_score

from assay.gates.fairness import judge, measure
from assay.gates.fairness.joint import DRAWS
from assay.policy import Fairness, FairnessCheck

ROOT = Path(__file__).resolve().parents[1]
MEASURED = 10
METRICS = {
    "selection_rate": peer.selection_rate,
    "tpr": peer.true_positive_rate,
    "fpr": peer.false_positive_rate,
    "accuracy": accuracy_score,
    "ppv": functools.partial(precision_score, zero_division=np.nan),
}
POLICY = Fairness(groups=["g"], checks=[FairnessCheck(metric=metric, max=0.1) for metric in METRICS])

FILE = """
COPY (SELECT chr(97 + (hash(range) % 8)::INT) AS g, hash(range + 1e9::BIGINT) % 5 < 2 AS y,
             hash(range + 2e9::BIGINT) % 9 < 4 AS p FROM range({rows})) TO '{file}' (FORMAT parquet)
"""
TIMED = """
import resource, sys, time
{imports}
def run(file):
{body}
start = time.perf_counter()
run(sys.argv[1])
print("measured", time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
OURS = (
    """
from pathlib import Path
import duckdb, ibis, pandas, pyarrow.parquet
from assay.cli.inputs import Mistakes, Rows
from assay.data.sources import glimpse
from assay.gates.fairness import judge, measure
from assay.policy import Fairness, FairnessCheck
""",
    """
    mistakes = Mistakes()
    policy = Fairness(groups=["g"], checks=[FairnessCheck(metric=m, max=0.1) for m in {metrics}])
    assert len(glimpse(Path(file), ["g"])["g"].unique()) == 8
    rows = Rows(Path(file), ["y", "p", "g"], mistakes, counted=True)
    label, prediction = rows.positive(["y", "p"], None)
    groups = rows.groups(["g"])
    mistakes.stop("bench")
    evidence = measure(label=label, prediction=prediction, groups=groups, policy=policy, times=rows.times)
    judgement = judge(evidence, policy)
    assert sum(group.n for group in judgement.groups) == {rows}
""",
)
THEIRS = (
    "import duckdb, pyarrow",
    """
    duckdb.execute("SET enable_progress_bar = false")
    found = duckdb.execute("SELECT g, y, p, count(*) FROM read_parquet($1) GROUP BY ALL", [file]).fetchall()
    assert sum(line[-1] for line in found) == {rows}
""",
)


def seconds(run: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_memory(rows: int, repeats: int = 5) -> bool:
    """The same columns through both, and whether ours is as fast as promised."""
    random = np.random.default_rng(0)
    group = random.choice(np.array(list("abcdefgh"), dtype=object), rows)
    label, prediction = random.random(rows) < 0.4, random.random(rows) < 0.45
    data = {"y_true": label.astype(int), "y_pred": prediction.astype(int), "sensitive_features": group}

    def ours() -> None:
        judge(measure(label=label, prediction=prediction, groups={"g": group}, policy=POLICY), POLICY)

    def theirs(**more: Any) -> None:
        assert len(peer.MetricFrame(metrics=METRICS, **data, **more).by_group) == 8

    ours()  # imports
    mine = statistics.median(seconds(ours) for _ in range(repeats))
    points = statistics.median(seconds(theirs) for _ in range(3))
    boot = seconds(lambda: theirs(n_boot=MEASURED, ci_quantiles=[0.025, 0.975], random_state=0))
    scaled = points + (boot - points) * DRAWS / MEASURED
    print(f"{rows:,} rows, 8 groups, {len(METRICS)} metrics")
    print(f"assay, {DRAWS:,} draws, simultaneous        {mine:10.3f} s (median of {repeats})")
    print(f"fairlearn, point estimates alone       {points:10.3f} s (median of 3): {points / mine:.1f} times")
    print(f"fairlearn, {MEASURED} draws                    {boot:10.3f} s")
    print(f"fairlearn, scaled to {DRAWS:,} draws       {scaled:10.0f} s: {scaled / mine:,.0f} times; promised 1,000")
    return scaled >= 1000 * mine and points >= mine


def fresh(code: tuple[str, str], file: Path, rows: int) -> tuple[float, float]:
    """Seconds and peak memory (GB) of one run in a process of its own."""
    imports, body = code
    script = TIMED.format(imports=imports, body=body.format(rows=rows, metrics=list(METRICS)))
    command = [sys.executable, "-W", "ignore", "-c", script, str(file)]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT / "include")}, capture_output=True, text=True, check=True
    )
    taken, memory = done.stdout.rpartition("measured")[2].split()
    return float(taken), float(memory)


def from_parquet(rows: int, repeats: int = 3) -> bool:
    """The same file through both in turns, and whether ours stays within its bounds."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "rows.parquet")
        duckdb.execute("SET enable_progress_bar = false")
        duckdb.execute(FILE.format(rows=rows, file=file))
        size = file.stat().st_size / 2**20
        runs = [(fresh(OURS, file, rows), fresh(THEIRS, file, rows)) for _ in range(repeats)]
    (mine, memory), (theirs, _) = (
        (statistics.median(run[side][0] for run in runs), max(run[side][1] for run in runs)) for side in (0, 1)
    )
    print(f"{rows:,} rows from Parquet ({size:.0f} MB)")
    print(f"assay, from the file to the verdict    {mine:10.3f} s (median of {repeats}), peak {memory:.2f} GB")
    print(f"one DuckDB group-by                    {theirs:10.3f} s (median of {repeats}): {mine / theirs:.2f} times")
    return memory < 1 and mine <= 2 * theirs


def main(rows: int = 500_000, millions: int = 50) -> None:
    """Measure both and say by the exit code whether all promises hold."""
    kept = [in_memory(rows), from_parquet(millions * 1_000_000)]
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
