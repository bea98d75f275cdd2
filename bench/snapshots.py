"""A snapshot beside delta-rs alone, and how far its memory grows with the rows.

A generated Parquet file of 16 columns. Each side runs in a process of its own, which also tells its peak
memory: ours with everything that a snapshot is (terms, checks of key and label, digests of rows and files,
read back and compared), and delta-rs writing the same rows, once streamed and once from a table in memory.
Then our diff of two snapshots. With a third word, the URL of a root in an object store: creating and opening there,
by a machine that has no copy and by one that has, beside the same in a folder.
Run: python bench/snapshots.py [MILLIONS [URL]]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

NUMBERS = ", ".join(f"hash(range * 16 + {at}) % 100000 / 7.0 AS x{at}" for at in range(10))
FILE = f"""
COPY (SELECT range AS id, ['no', 'yes'][1 + (hash(range) % 2)::INT] AS y, ['f', 'm'][1 + (range % 2)::INT] AS sex,
    'city ' || hash(range * 3) % 200 AS city, 'p' || range || '@example.org' AS mail,
    TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * (hash(range * 5) % 30000000) AS at, {NUMBERS}
FROM range({{start}}, {{stop}})) TO '{{file}}' (FORMAT parquet)
"""
OURS = """
from assay.data.snapshots import create_snapshot
from assay.policy import Data
data = Data(source=file, key="id", label="y", positive="yes", features=["x0"], sensitive=["sex"], **terms)
create_snapshot(source=file, data=data, model="bench", root=folder)
"""
STREAMED = """
import pyarrow as pa, pyarrow.parquet as pq
from deltalake import write_deltalake
parquet = pq.ParquetFile(file, pre_buffer=False)
write_deltalake(folder, pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches()))
"""
WHOLE = """
import pyarrow.parquet as pq
from deltalake import write_deltalake
write_deltalake(folder, pq.read_table(file))
"""
DIFF = """
from assay.data.diff import diff
from assay.data.snapshots import list_snapshots
diff(*list_snapshots(folder, "bench"))
"""
OPEN = """
from assay.data.snapshots import list_snapshots, open_snapshot
(found,) = list_snapshots(folder, "bench")
open_snapshot(root=folder, model="bench", snapshot_id=found.id)
"""
MEASURE = """
import os, resource, sys, time
file, folder = sys.argv[1:]
terms = {"pseudonymize": ["mail"], "drop": ["city"], "time": "at"} if "TERMS" in os.environ else {}
began = time.perf_counter()
%s
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def told(name: str, rows: int, code: str, file: Path, folder: Path | str, **environment: str) -> None:
    """Run one side in a process of its own, and say what it took."""
    command = [sys.executable, "-c", MEASURE % code, str(file), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    seconds, megabytes = map(float, run.stdout.split())
    print(f"{name:40} {rows / 1e6:5g} M rows  {seconds:6.1f} s  peak {megabytes:6.0f} MB", flush=True)


def stores(rows: int, home: Path, url: str) -> None:
    """Measure a root in a folder and one in an object store."""
    file = home / f"{rows}.parquet"
    duckdb.execute(FILE.format(start=0, stop=rows, file=file))
    here, elsewhere = str(home / "here"), str(home / "elsewhere")
    for kind, root in (("folder", home / "kept"), ("object store", f"{url.rstrip('/')}/{home.name}")):
        told(f"create, {kind}", rows, OURS, file, root, ASSAY_HOME=here)
        told(f"open, {kind}", rows, OPEN, file, root, ASSAY_HOME=here)
    told("open, object store, no copies here", rows, OPEN, file, root, ASSAY_HOME=elsewhere)


def main() -> None:
    """Measure at a fifth of the rows and at all of them."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if len(sys.argv) > 2:
            stores(int(millions * 1e6), home, sys.argv[2])
            return
        for rows in (int(millions * 1e6 / 5), int(millions * 1e6)):
            file, shifted, kept = (home / f"{rows}{kind}" for kind in (".parquet", "-later.parquet", "-kept"))
            duckdb.execute(FILE.format(start=0, stop=rows, file=file))
            duckdb.execute(FILE.format(start=rows, stop=2 * rows, file=shifted))
            told("assay snapshot", rows, OURS, file, kept)
            told("assay snapshot, pseudonyms and drop", rows, OURS, file, home / f"{rows}-terms",
                 TERMS="1", ASSAY_PSEUDONYM_KEY="a key for the bench alone")  # fmt: skip
            told("delta-rs alone, streamed", rows, STREAMED, file, home / f"{rows}-streamed")
            told("delta-rs alone, from memory", rows, WHOLE, file, home / f"{rows}-whole")
            told("assay snapshot, later rows", rows, OURS, shifted, kept)
            told("assay snapshot diff", rows, DIFF, file, kept)


if __name__ == "__main__":
    main()
