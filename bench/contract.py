"""A suite of 31 expectations beside Great Expectations' pandas engine and beside one bare DuckDB scan.

5 million rows of 16 columns of a generated Parquet file. Every side runs in processes of its own, which also
tell their peak memory: ours as `assay gate contract` does it, theirs from the file to the validated suite,
and the scan as one SELECT of the same aggregates. Then 50 million rows on our side alone, under a cap of
1 GB on what the process may hold. Run: python bench/contract.py [MILLIONS] [LARGE_MILLIONS]
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = [
    "id", "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "sex", "race", "capital_gain", "capital_loss", "hours_per_week", "opened", "closed", "income",
]  # fmt: skip
WORKCLASS = ["Private", "State-gov", "Federal-gov", "Local-gov", "Self-emp-inc", "Never-worked"]
MARITAL = ["Married", "Divorced", "Widowed", "Single"]
EDUCATION = [f"grade {n}" for n in range(1, 17)]
SETS = {
    "sex": ["f", "m"],
    "race": list("abcde"),
    "workclass": WORKCLASS,
    "education": EDUCATION,
    "marital_status": MARITAL,
    "income": ["<=50K", ">50K"],
}
RANGES = {
    "age": (17, 90),
    "hours_per_week": (1, 99),
    "capital_gain": (0, 99_999),
    "capital_loss": (0, 10_000),
    "fnlwgt": (1, 2_000_000),
    "education_num": (1, 16),
}
MEANS = {"age": (50, 57), "hours_per_week": (45, 55), "capital_gain": (4000, 6000)}
FILLED = ["id", "age", "income", "sex", "race"]

FILE = f"""
COPY (SELECT range AS id, 17 + (hash(range * 32 + 1) % 74)::BIGINT AS age,
    {WORKCLASS}[1 + (hash(range * 32 + 2) % 6)::INT] AS workclass,
    (12000 + hash(range * 32 + 3) % 1000000)::BIGINT AS fnlwgt,
    'grade ' || (1 + hash(range * 32 + 4) % 16) AS education, (1 + hash(range * 32 + 4) % 16)::BIGINT AS education_num,
    CASE WHEN hash(range * 32 + 5) % 20 > 0 THEN {MARITAL}[1 + (hash(range * 32 + 6) % 4)::INT] END AS marital_status,
    'work ' || hash(range * 32 + 7) % 14 AS occupation,
    ['f', 'm'][1 + (hash(range * 32 + 8) % 2)::INT] AS sex,
    ['a', 'b', 'c', 'd', 'e'][1 + (hash(range * 32 + 9) % 5)::INT] AS race,
    CASE WHEN hash(range * 32 + 10) % 10 = 0 THEN (hash(range * 32 + 11) % 99999)::DOUBLE ELSE 0.0 END AS capital_gain,
    CASE WHEN hash(range * 32 + 10) % 10 = 1 THEN (hash(range * 32 + 12) % 4000)::DOUBLE ELSE 0.0 END AS capital_loss,
    (1 + hash(range * 32 + 13) % 99)::BIGINT AS hours_per_week,
    DATE '2020-01-01' + (hash(range * 32 + 14) % 1000)::INT AS opened,
    DATE '2023-01-01' + (hash(range * 32 + 15) % 1000)::INT AS closed,
    ['<=50K', '>50K'][1 + (hash(range * 32 + 16) % 4 = 0)::INT] AS income
FROM range({{rows}})) TO '{{file}}' (FORMAT parquet)
"""
TIMED = """
import json, resource, sys, time
from pathlib import Path
{imports}
def run(file, suite):
{body}
start = time.perf_counter()
run(Path(sys.argv[1]), Path(sys.argv[2]))
print("measured", time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
OURS = (
    """
import pandas, great_expectations
from assay.gates.contract import judge, load_suite, measure
""",
    """
    told = []
    judgement = judge(measure(files=[file], suite=load_suite(suite), key="id", report=told.append))
    assert judgement.outcome == "PASS" and len(judgement.checks) == 31, judgement
    print(f"{len(told)} reports of progress" + (f", such as: {told[len(told) // 2]}" if told else ""))
""",
)
THEIRS = (
    "import pandas, great_expectations as gx",
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("peer")
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    frame = pandas.read_parquet(file)
    expectations = [each for each in json.loads(suite.read_text())["expectations"] if "unexpected" not in each["type"]]
    found = batch.get_batch({"dataframe": frame}).validate(gx.ExpectationSuite(name="s", expectations=expectations))
    assert found.success and len(found.results) == 30  # it has no SQL: ours has one expectation more to do
""",
)
SCAN = (
    "import duckdb",
    """
    duckdb.execute("SET enable_progress_bar = false")
    found = duckdb.execute({query!r}.format(file=file)).fetchall()
    assert len(found) == 1
""",
)


def suite() -> list[dict[str, object]]:
    """The expectations, all of which the data meet."""

    def expect(kind: str, **kwargs: object) -> dict[str, object]:
        return {"type": kind, "kwargs": kwargs}

    return [
        expect("expect_table_row_count_to_be_between", min_value=1000),
        expect("expect_table_columns_to_match_ordered_list", column_list=COLUMNS),
        expect("expect_column_values_to_be_unique", column="id"),
        *(expect("expect_column_values_to_not_be_null", column=name) for name in FILLED),
        expect("expect_column_values_to_not_be_null", column="marital_status", mostly=0.9),
        *(expect("expect_column_values_to_be_in_set", column=name, value_set=found) for name, found in SETS.items()),
        *(
            expect("expect_column_values_to_be_between", column=name, min_value=low, max_value=high)
            for name, (low, high) in RANGES.items()
        ),
        *(
            expect("expect_column_mean_to_be_between", column=name, min_value=low, max_value=high)
            for name, (low, high) in MEANS.items()
        ),
        expect("expect_column_stdev_to_be_between", column="fnlwgt", min_value=200_000, max_value=400_000),
        expect("expect_column_max_to_be_between", column="age", max_value=90),
        expect("expect_column_median_to_be_between", column="fnlwgt", min_value=400_000, max_value=600_000),
        expect("expect_column_distinct_values_to_equal_set", column="sex", value_set=["f", "m"]),
        expect("expect_column_unique_value_count_to_be_between", column="race", min_value=5, max_value=5),
        expect("expect_column_pair_values_a_to_be_greater_than_b", column_A="closed", column_B="opened"),
        expect(
            "unexpected_rows_expectation",
            unexpected_rows_query="SELECT * FROM {batch} WHERE capital_gain > 0 AND capital_loss > 0",
        ),
    ]


def scan() -> str:
    """One SELECT of what the expectations need."""
    wanted = ["count(*)", "count(DISTINCT id)", "count(marital_status)", *(f"count({name})" for name in FILLED)]
    wanted += [f"count_if({name} NOT IN {tuple(found)})" for name, found in SETS.items()]
    wanted += [f"count_if({name} NOT BETWEEN {low} AND {high})" for name, (low, high) in RANGES.items()]
    wanted += [f"avg({name})" for name in MEANS]
    wanted += ["stddev(fnlwgt)", "max(age)", "median(fnlwgt)", "count(DISTINCT sex)", "count(DISTINCT race)"]
    wanted += ["count_if(closed <= opened)", "count_if(capital_gain > 0 AND capital_loss > 0)"]
    return f"SELECT {', '.join(wanted)} FROM read_parquet('{{file}}')"


def fresh(code: tuple[str, str], file: Path, contract: Path, cap: int = 0) -> tuple[float, float, str]:
    """Seconds and peak memory (GB) of one run in a process of its own, and what it printed."""
    imports, body = code
    script = TIMED.replace("{imports}", imports).replace("{body}", body.replace("{query!r}", repr(scan())))
    if cap:  # of memory that the process itself allocates, in bytes
        script = f"import resource\nresource.setrlimit(resource.RLIMIT_DATA, ({cap}, {cap}))\n{script}"
    command = [sys.executable, "-W", "ignore", "-c", script, str(file), str(contract)]
    environment = {"PYTHONPATH": str(ROOT / "include"), "GX_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    printed, _, measured = done.stdout.rpartition("measured")
    taken, memory = measured.split()
    return float(taken), float(memory), printed.strip()


def beside_peers(file: Path, contract: Path, rows: int, repeats: int = 3) -> bool:
    """All three in turns, and whether ours keeps its promises."""
    runs = [[fresh(code, file, contract) for code in (OURS, SCAN, THEIRS)] for _ in range(repeats)]
    mine, bare, theirs = (statistics.median(run[side][0] for run in runs) for side in (0, 1, 2))
    memory, held = (max(run[side][1] for run in runs) for side in (0, 2))
    print(f"{rows:,} rows, {len(COLUMNS)} columns, {len(suite())} expectations; medians of {repeats}")
    print(f"assay, from the file to the verdict    {mine:10.2f} s, peak {memory:.2f} GB; promised below 0.6")
    print(f"one DuckDB scan                        {bare:10.2f} s: {mine / bare:.2f} times; promised 2.5")
    print(f"Great Expectations on pandas           {theirs:10.2f} s, peak {held:.2f} GB: {theirs / mine:.1f} times; 10")
    return theirs >= 10 * mine and mine <= 2.5 * bare and memory < 0.6


def alone(file: Path, contract: Path, rows: int) -> bool:
    """Many rows under a cap of 1 GB."""
    taken, memory, told = fresh(OURS, file, contract, cap=2**30)
    print(f"{rows:,} rows under a cap of 1 GB")
    print(f"assay, from the file to the verdict    {taken:10.2f} s, peak {memory:.2f} GB; {told}")
    return memory < 1


def main(millions: int = 5, large: int = 50) -> None:
    """Measure and say by the exit code whether all promises hold."""
    kept = []
    with tempfile.TemporaryDirectory() as scratch:
        contract, file = Path(scratch, "suite.json"), Path(scratch, "rows.parquet")
        contract.write_text(json.dumps({"name": "bench", "expectations": suite()}))
        duckdb.execute("SET enable_progress_bar = false")
        for rows, measure in ((millions, beside_peers), (large, alone)):
            duckdb.execute(FILE.format(rows=rows * 1_000_000, file=file))
            kept.append(measure(file, contract, rows * 1_000_000))
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
