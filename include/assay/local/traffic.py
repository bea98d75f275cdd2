"""Replay held-out rows with their labels against the gateway, as callers would send them."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from assay.core import UnavailableError

_BATCH = 10  # rows of one request


class Replay:
    """Sends rows at a steady rate until told to stop or until they are used up.

    No row is sent twice: a rollout's evidence must not count the same person again.

    Parameters
    ----------
    gateway, token
        Address of the gateway, and its bearer token.
    model
        Whom the requests are for.
    file
        Parquet file with features, entity column and label.
    label
        The label's column. It is taken out of the request and posted afterwards.
    name
        Begins every request's id.
    rate
        Rows per second.
    """

    def __init__(self, *, gateway: str, token: str, model: str, file: Path, label: str, name: str, rate: float) -> None:
        self.sent = 0
        self.arms: Counter[str] = Counter()
        self.error: Exception | None = None
        self._path = f"/models/{model}"
        self._file, self._label, self._name, self._rate = file, label, name, rate
        self._http = httpx.Client(
            base_url=gateway, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        """Begin to send; once begun, nothing."""
        if self._thread.ident is None and not self._stop.is_set():
            self._thread.start()

    def stop(self) -> None:
        """Stop sending and wait for the request under way."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._http.close()

    def deployment(self) -> dict[str, Any]:
        """What the gateway serves now; empty while it serves nothing of this model.

        Raises
        ------
        UnavailableError
            When it does not answer.
        """
        try:
            answer = self._http.get(self._path)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return {}
            found: dict[str, Any] = answer.raise_for_status().json()
        except httpx.HTTPError as error:
            raise UnavailableError(f"the gateway does not answer: {str(error) or type(error).__name__}") from error
        return found

    def _run(self) -> None:
        try:
            begun = time.monotonic()
            for number, (columns, data, labels) in enumerate(_batches(self._file, self._label)):
                if self._stop.is_set():
                    return
                self._send(f"{self._name}-{number}", columns, data, labels)
                self.sent += len(labels)
                self._stop.wait(max(0.0, begun + self.sent / self._rate - time.monotonic()))
        except Exception as error:  # shown by whoever watches
            self.error = error

    def _send(self, request_id: str, columns: list[str], data: list[list[Any]], labels: list[Any]) -> None:
        body = {"dataframe_split": {"columns": columns, "data": data}, "params": {"request_id": request_id}}
        answer = self._http.post(f"{self._path}/invocations", json=body)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.arms["nobody yet"] += len(labels)  # a first version earns its evidence unserved
        else:
            answer.raise_for_status()
            self.arms.update(f"version {row['version']}" for row in answer.json()["assay"]["rows"])
        told = [{"request_id": request_id, "row": row, "label": label} for row, label in enumerate(labels)]
        self._http.post(f"{self._path}/labels", json={"labels": told}).raise_for_status()


def _batches(file: Path, label: str) -> Iterator[tuple[list[str], list[list[Any]], list[Any]]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH):
        labels = batch.column(label).to_pylist()
        rows = batch.drop_columns([label])
        columns = [column.to_pylist() for column in rows.columns]
        yield rows.schema.names, [list(row) for row in zip(*columns, strict=True)], labels
