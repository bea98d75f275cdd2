"""Whoever waits is told how far the work has come, and the work is done as it is without being watched."""

import threading

import pandas as pd
import pytest

from assay.gates.contract import measure, progress
from assay.gates.contract.adapter import open_batch


@pytest.fixture
def file(tmp_path):
    pd.DataFrame({"id": range(50_000), "n": 1}).to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def suite(count):
    kwargs = {"column": "n", "min_value": 0, "max_value": 1}
    one = {"type": "expect_column_median_to_be_between", "kwargs": kwargs, "severity": "critical", "meta": {}}
    return {"expectations": [one] * count}


def test_reports_say_what_is_done_and_change_nothing(file, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.01)
    told = []
    watched = measure(files=[file], suite=suite(20), report=told.append)
    assert told
    assert all(text.startswith("20 expectations on 50,000 rows: ") and "query" in text for text in told)
    assert watched == measure(files=[file], suite=suite(20))


def test_the_watch_ends_with_the_work_however_it_ends(file, monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.001)
    before = threading.active_count()
    with open_batch([file]) as batch:
        with pytest.raises(RuntimeError), progress.watched(batch, lambda text: None, "work"):
            raise RuntimeError
        assert threading.active_count() == before
        assert "execute_query" not in vars(batch.engine)
