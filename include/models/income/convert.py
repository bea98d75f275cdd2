"""Convert UCI's Adult files to the Parquet files in `data/`.

Download `adult.data` and `adult.test` from https://doi.org/10.24432/C5XW20 into one folder, then run

    python include/models/income/convert.py FOLDER

The same input always gives the same rows in the same order.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent

SCHEMA = pa.schema(
    [
        ("person_id", pa.int64()),
        ("age", pa.int64()),
        ("workclass", pa.string()),
        ("fnlwgt", pa.int64()),
        ("education", pa.string()),
        ("education_num", pa.int64()),
        ("marital_status", pa.string()),
        ("occupation", pa.string()),
        ("relationship", pa.string()),
        ("race", pa.string()),
        ("sex", pa.string()),
        ("capital_gain", pa.int64()),
        ("capital_loss", pa.int64()),
        ("hours_per_week", pa.int64()),
        ("native_country", pa.string()),
        ("income", pa.string()),
    ]
)


def rows(path: Path) -> Iterator[list[str | None]]:
    """The data lines of one Adult file: blanks stripped, ``?`` as None, labels without their dot."""
    with path.open(newline="", encoding="ascii") as stream:
        for line in csv.reader(stream, skipinitialspace=True):
            if not line or line[0].startswith("|"):  # adult.test begins with a remark and ends with a blank line
                continue
            *cells, label = (cell.strip() for cell in line)
            yield [None if cell == "?" else cell for cell in cells] + [label.rstrip(".")]


def table(lines: Sequence[Sequence[str | None]], first_id: int) -> pa.Table:
    """Typed columns, numbered from `first_id`."""
    ids = pa.array(range(first_id, first_id + len(lines)), pa.int64())
    cells = [pa.array(column, pa.string()) for column in zip(*lines, strict=True)]
    typed = [cell.cast(field.type) for cell, field in zip(cells, list(SCHEMA)[1:], strict=True)]
    return pa.Table.from_arrays([ids, *typed], schema=SCHEMA)


def main(folder: Path) -> None:
    """Write both files, numbering the rows of `adult.data` first."""
    first_id = 0
    for source, target in (("adult.data", "adult.parquet"), ("adult.test", "live.parquet")):
        converted = table(list(rows(folder / source)), first_id)
        pq.write_table(converted, HERE / "data" / target, compression="zstd", compression_level=19)
        first_id += converted.num_rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
