"""How often and how long Airflow retries what broke."""

from datetime import timedelta
from typing import Any

# A restart of MLflow or of the scheduler takes up to 50 s. With a doubled wait of at least 15, 30, 60 and then
# 120 s, six retries span 465 s or more; Airflow lengthens each wait by a share that differs from task to task.
RETRIES: dict[str, Any] = {
    "retries": 6,
    "retry_delay": timedelta(seconds=15),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=2),
}

# A rollout takes hours and keeps its state elsewhere: a server that is away for a while must not end it.
PATIENT: dict[str, Any] = {**RETRIES, "retries": 10, "max_retry_delay": timedelta(minutes=10)}
