"""The built-in checks of the contract gate beside one bare DuckDB scan.

5 million rows of 16 columns, the file of bench/contract.py. Ours is everything from the file to the judged checks, with
a split and a fairness policy; once with a reference of 100,000 rows, and once with one of as many rows as the data.
Beside it two scans: the SELECT of the suite's aggregates in bench/contract.py, and one SELECT of the aggregates that
the built-in checks themselves need. Each in processes of its own, in turns. Run: python bench/builtin.py [MILLIONS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

import duckdb
from contract import COLUMNS, FILE, SCAN, fresh

REPEATS = 3
PROMISED = 3.0
OURS = (
    """
import numpy, pandas, pyarrow.parquet, scipy.special, scipy.optimize
from assay.gates.contract.builtin import Roles, Split, judge, measure
from assay.policy import Fairness, FairnessCheck
""",
    """
    rows = pyarrow.parquet.read_metadata(file).num_rows
    testing = numpy.random.default_rng(0).random(rows) < 0.3
    roles = Roles(key="id", label="income", positive=">50K", time="closed", sensitive=["sex", "race"])
    fairness = Fairness(groups=["sex", "race", ["sex", "race"]], checks=[FairnessCheck(metric="tpr", max=0.1)])
    found = judge(measure(files=[file], roles=roles, reference=[Path({reference!r})], fairness=fairness,
                          split=Split(training=~testing, testing=testing)))
    names = {{check.name for check in found}}
    assert len(names) == 13, names
""",
)


def aggregates() -> str:
    """One SELECT of what the checks look at in all rows: counts, ends, copies, twins, classes and groups."""
    wanted = [f"count({name}), min({name}), max({name})" for name in COLUMNS]
    rest = COLUMNS[1:]
    wanted.append(f"count_if(hash({', '.join(rest)}) & 31 = 0)")
    wanted += [f"count_if(hash({', '.join(each for each in rest if each != name)}) & 511 = 0)" for name in rest]
    wanted.append("count_if(income = '>50K')")
    wanted += [f"count_if(sex = '{sex}' AND race = '{race}')" for sex in "fm" for race in "abcde"]
    return f"SELECT {', '.join(wanted)} FROM read_parquet('{{file}}')"


def main(millions: float) -> bool:
    """Print the figures; whether the checks are as fast as promised."""
    rows = int(millions * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        file, small = Path(folder) / "rows.parquet", Path(folder) / "reference.parquet"
        duckdb.execute(FILE.format(rows=rows, file=file))
        duckdb.execute(FILE.format(rows=100_000, file=small))
        sides = {
            "the suite's scan": SCAN,
            "one scan of these aggregates": (SCAN[0], SCAN[1].replace("{query!r}", repr(aggregates()))),
            "built-in checks, small reference": (OURS[0], OURS[1].format(reference=str(small))),
            "built-in checks, reference as large": (OURS[0], OURS[1].format(reference=str(file))),
        }
        runs: dict[str, list[tuple[float, float, str]]] = {name: [] for name in sides}
        for _ in range(REPEATS):
            for name, code in sides.items():
                runs[name].append(fresh(code, file, file))
    print(f"{rows:,} rows of {len(COLUMNS)} columns, medians of {REPEATS}")
    times = {name: statistics.median(seconds for seconds, *_ in found) for name, found in runs.items()}
    base, own = list(times.values())[:2]
    for name, seconds in times.items():
        memory = max(peak for _, peak, _ in runs[name])
        print(f"{name:36} {seconds:7.2f} s  {seconds / base:5.2f} times the suite's scan  "
              f"{seconds / own:5.2f} times its own  {memory:.2f} GB")  # fmt: skip
    within = times["built-in checks, small reference"] / base
    print(f"promised: under {PROMISED:g} times the suite's scan; measured {within:.2f}")
    return within < PROMISED


if __name__ == "__main__":
    sys.exit(not main(float(sys.argv[1]) if len(sys.argv) > 1 else 5))
