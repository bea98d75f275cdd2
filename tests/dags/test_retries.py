"""What broke is retried for longer than a server takes to restart."""

import pytest
from tests.dags.test_dags import ROOT, parse

LEAST, MOST = 5 * 60, 20 * 60
"""Seconds. MLflow and the scheduler take up to 50 s to restart; a run must still end within the hour."""


@pytest.fixture(scope="module")
def waits(tmp_path_factory):
    """Seconds between the attempts of every task, by Airflow's own rule."""
    return parse(tmp_path_factory.mktemp("airflow"), ROOT / "include" / "models", "_retries.py")


def test_every_task_is_retried_for_at_least_five_minutes_and_not_for_hours(waits):
    assert "retrain_income.approval" in waits
    assert "audit_registry.audit" in waits
    canary = waits.pop("retrain_income.canary_promotion")
    assert {task: sum(each) for task, each in waits.items() if not LEAST <= sum(each) <= MOST} == {}
    assert sum(canary) > 30 * 60


def test_waits_grow_and_differ_between_tasks_and_have_a_limit(waits):
    assert all(each == sorted(each) for each in waits.values())
    assert len({each[0] for each in waits.values()}) > 1
    assert max(max(each) for each in waits.values()) <= 600
