"""How far a long evaluation has come, for somebody who waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.gates.contract.adapter import Batch

Report = Callable[[str], None]
_EVERY = 1.0
"""Seconds between two reports."""


@contextmanager
def watched(batch: Batch, report: Report | None, doing: str) -> Iterator[None]:
    """Tell `report` while the block runs: what is done, for how long, the nth query and how much of it."""
    if report is None:
        yield
        return
    engine, connection, queries, done = batch.engine, batch.connection, [0], threading.Event()
    run, start = type(engine).execute_query, time.monotonic()

    def counted(query: object) -> object:
        queries[0] += 1
        return run(engine, query)

    def tell() -> None:
        while not done.wait(_EVERY):
            share = connection.query_progress()  # of some queries DuckDB does not know it
            told = f", {share:.0f} % of it" if share > 0 else ""
            report(f"{doing}: {time.monotonic() - start:.0f} s, query {queries[0]}{told}")

    teller = threading.Thread(target=tell, daemon=True)
    engine.execute_query = counted
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
        del engine.execute_query
