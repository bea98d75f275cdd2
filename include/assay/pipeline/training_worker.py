"""Celery's settings on a worker that runs the teams' code: `[celery] celery_config_options` names `CONFIG`.

The worker logs in to Redis with an account that reaches the keys of its own queue and no others
(docker-compose.yaml, `redis-accounts`). Celery's defaults would ask for more: they write the table that says
which queue a message goes to, share one list of unacknowledged messages with all workers, and take commands
from whoever can reach Redis.
"""

import tempfile
from pathlib import Path
from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import heartbeat_sent
from kombu.entity import Exchange, Queue

from assay.core import Settings

HEARTBEAT = Path(tempfile.gettempdir()) / "assay-training-worker"
"""Touched every few seconds while the worker reaches Redis; the container's health check looks at its age."""


def celery_config(queue: str) -> dict[str, Any]:
    """Celery's settings for a worker of one queue.

    Parameters
    ----------
    queue
        Its name. Redis keys that the worker writes are the queue itself and what begins with ``QUEUE:``.
    """
    # The scheduler declares the queue whenever it sends a task, so the worker need not, and may not.
    exchange = Exchange(queue, no_declare=True)  # type: ignore[no-untyped-call]
    own_queue = Queue(queue, exchange, routing_key=queue, no_declare=True)  # type: ignore[no-untyped-call]
    own = {f"unacked{part}_key": f"{queue}:unacked{part}" for part in ("", "_index", "_mutex")}
    return {
        **DEFAULT_CELERY_CONFIG,
        "task_queues": [own_queue],
        "task_default_queue": queue,
        "broker_transport_options": {**DEFAULT_CELERY_CONFIG["broker_transport_options"], **own},
        "worker_enable_remote_control": False,
    }


@heartbeat_sent.connect  # type: ignore[untyped-decorator]
def _note(**_: object) -> None:
    HEARTBEAT.touch()


CONFIG = celery_config(Settings.from_environment().training_queue or "training")
