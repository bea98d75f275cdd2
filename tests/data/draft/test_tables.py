"""Tables of every make: a draft holds on each, or is refused in a sentence."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core import Outcome, UserError
from assay.data.draft.contract import MOST_COLUMNS, suggest, text_of
from assay.data.engine import open_table
from assay.gates import contract

N = 400
RNG = np.random.default_rng(5)
DAYS = [date(2024, 1, 1) + timedelta(days=int(at)) for at in RNG.integers(0, 300, N)]
TEXTS = ["blå", "日本", "o'clock", 'a"b', "{x}", "%s", ":y", " ", "naïve\n"]
TABLES = {
    "numbers": {
        "i8": pa.array(RNG.integers(-9, 9, N), pa.int8()),
        "u64": pa.array(RNG.integers(0, 2**63, N), pa.uint64()),
        "f32": pa.array(RNG.normal(size=N), pa.float32()),
        "gap": pa.array(RNG.normal(size=N), mask=RNG.random(N) < 0.2),
        "inf": np.where(RNG.random(N) < 0.2, np.inf, RNG.normal(size=N)),
        "tiny": RNG.normal(size=N) * 1e-12,
        "wild": RNG.standard_cauchy(N) * 1e9,
        "money": pa.array([Decimal(int(n)) / 100 for n in RNG.integers(0, 9999, N)], pa.decimal128(9, 2)),
        "zero or one": RNG.integers(0, 2, N),
        "serial": np.arange(N) + 7000,
    },
    "times": {
        "day": pa.array(DAYS),
        "ns": pa.array([datetime(2024, 1, 1) + timedelta(seconds=int(s)) for s in RNG.integers(0, 10**7, N)],
                       pa.timestamp("ns")),
        "utc": pa.array([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in RNG.integers(0, 9999, N)],
                        pa.timestamp("us", "UTC")),
        "old": pa.array([None if at % 3 else date(1, 1, 1 + at % 20) for at in range(N)]),
        "one": pa.array([datetime(2030, 1, 1)] * N),
    },
    "texts": {
        "odd": RNG.choice(TEXTS, N).tolist(),
        'na"me {0}': RNG.choice(TEXTS, N).tolist(),
        "code": [f"A-{at:05d}" for at in range(N)],
        "free": ["x" * int(at) for at in RNG.integers(0, 90, N)],
        "coded": pa.array(RNG.choice(["a", "b"], N).tolist()).dictionary_encode(),
        "mixed": [str(at) if at % 2 else f"{at} years" for at in range(N)],
        "rare": ["common"] * (N - 1) + ["once"],
    },
    "gaps": {
        "none": pa.nulls(N, pa.string()),
        "nulls": pa.nulls(N),
        "most": pa.array([1.5 if at % 50 == 0 else None for at in range(N)]),
        "constant": ["x"] * N,
        "yes": [True] * N,
        "maybe": pa.array([None if at % 7 == 0 else at % 2 == 0 for at in range(N)]),
        "list": pa.array([[1, 2]] * N),
    },
    "one row": {"id": [1], "x": [1.5], "s": ["a"], "day": [date(2024, 1, 1)], "b": [None]},
    "two rows": {"id": [1, 2], "x": [1.5, None], "s": ["a", "a"]},
    "alike": {"a": [1] * N, "b": ["x"] * N},
}  # fmt: skip


def drafted(table, **options):
    with open_table(table) as rows:
        return suggest(rows, name="draft", **options)


@pytest.mark.parametrize("name", TABLES)
def test_a_draft_holds_on_its_data(tmp_path, name):
    table = pa.table(TABLES[name])
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "suite.json").write_text(text_of(drafted(table)))
    suite = contract.load_suite(tmp_path / "suite.json")  # as it is read again, nothing in it is refused
    checks = contract.judge(contract.measure(files=[tmp_path / "t.parquet"], suite=suite)).checks
    assert [(check.name, check.attribute, check.reason) for check in checks if check.outcome is not Outcome.PASS] == []
    assert all(entry["meta"]["notes"].endswith((".", "either")) for entry in suite["expectations"])


@pytest.mark.parametrize("name", TABLES)
def test_the_same_data_give_the_same_bytes(name):
    table = pa.table(TABLES[name])
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert text_of(drafted(table)) == text_of(drafted(table)) == text_of(drafted(shuffled))


def test_serial_numbers_and_endless_values_get_no_range():
    suite = drafted(pa.table(TABLES["numbers"]))
    ranged = {each["kwargs"]["column"] for each in suite["expectations"] if each["type"].endswith("_to_be_between")
              and "column" in each["kwargs"]}  # fmt: skip
    assert {"f32", "money", "wild"} <= ranged
    assert not ranged & {"serial", "inf", "zero or one", "u64"}


def test_a_code_of_one_length_keeps_it_and_constants_say_so():
    suite = drafted(pa.table(TABLES["texts"]))
    (length,) = [each for each in suite["expectations"] if each["type"] == "expect_column_value_lengths_to_equal"]
    assert length["kwargs"] == {"column": "code", "value": 7}
    sets = [each for each in drafted(pa.table(TABLES["gaps"]))["expectations"] if "value_set" in each["kwargs"]]
    assert ["x"] in [each["kwargs"]["value_set"] for each in sets]
    assert "null" not in json.dumps([each["kwargs"] for each in sets])


def test_what_nobody_could_read_is_refused():
    wide = pa.table({f"c{at}": [at] for at in range(10_000)})
    with pytest.raises(UserError, match=f"has 10,000 columns; a contract of more than {MOST_COLUMNS:,} nobody reads"):
        drafted(wide)
    with pytest.raises(UserError, match="has no rows to draft"):
        drafted(wide.slice(0, 0).select(range(10)))
