"""The log: each request once, labels all or none."""

import pytest
from sqlalchemy import event, func, select
from tests.rollout.support import LIMITS, ref

from assay.rollout import Label, LabelsRefusedError, Prediction, Recorded, Request, Rollouts, record, record_labels
from assay.rollout.database import reading
from assay.rollout.tables import LABEL, PREDICTION

AT = "2030-01-01T00:00:00.000Z"


def request(name, *, model="income", body="b", rows=2):
    predictions = [
        Prediction(
            row=row, entity="e", version=1, arm="champion", served=True, features="{}", score=0.5, error=None,
            latency_us=1,
        )
        for row in range(rows)
    ]  # fmt: skip
    return Request(
        model=model, request_id=name, body_sha256=body, status=200, answer=f"answer to {body}", epoch=1, at=AT,
        predictions=predictions,
    )  # fmt: skip


def count(rollouts, table):
    with reading(rollouts.engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_repeated_request_is_recorded_once_and_keeps_its_first_answer(rollouts):
    first = Recorded(body_sha256="b", status=200, answer="answer to b")
    assert record(rollouts.engine, [request("r")]) == [first]
    assert record(rollouts.engine, [request("r", body="other"), request("r")]) == [first, first]
    assert count(rollouts, PREDICTION) == 2


def test_a_request_repeated_within_one_commit_is_recorded_once(rollouts):
    answers = record(rollouts.engine, [request("r"), request("r", body="other"), request("r", model="churn")])
    assert [each.body_sha256 for each in answers] == ["b", "b", "b"]
    assert count(rollouts, PREDICTION) == 4


def test_labels_are_taken_once_and_the_first_stays(rollouts):
    record(rollouts.engine, [request("r")])
    labels = [Label(request_id="r", row=0, label=1), Label(request_id="r", row=1, label=0)]
    assert record_labels(rollouts.engine, "income", labels, at=AT) == (2, 0)
    assert record_labels(rollouts.engine, "income", labels[:1], at=AT) == (0, 1)
    with pytest.raises(LabelsRefusedError) as caught:
        record_labels(rollouts.engine, "income", [Label(request_id="r", row=0, label=0)], at=AT)
    assert caught.value.conflicting == (("r", 0),)


def test_one_bad_label_and_none_is_taken(rollouts):
    record(rollouts.engine, [request("r"), request("s", model="churn")])
    given = [
        Label(request_id="r", row=0, label=1),
        Label(request_id="r", row=2, label=1),
        Label(request_id="s", row=0, label=1),
        Label(request_id="r", row=0, label=0),
    ]
    with pytest.raises(LabelsRefusedError) as caught:
        record_labels(rollouts.engine, "income", given, at=AT)
    assert caught.value.unknown == (("r", 2), ("s", 0))
    assert caught.value.conflicting == (("r", 0),)
    assert count(rollouts, LABEL) == 0


def test_more_labels_than_a_statement_has_parameters(rollouts):
    requests = [request(f"r{number}", rows=1) for number in range(1_200)]
    record(rollouts.engine, requests)
    labels = [Label(request_id=each.request_id, row=0, label=1) for each in requests]
    assert record_labels(rollouts.engine, "income", labels, at=AT) == (1_200, 0)


def test_no_look_reads_a_whole_table_of_the_log(tmp_path):
    rollouts = Rollouts.open(f"sqlite:///{tmp_path / 'operations.db'}")
    looks = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            looks.append((statement, parameters))

    event.listen(rollouts.engine, "before_cursor_execute", note)
    row = rollouts.begin(ref=ref(1), run_key="run", policy=LIMITS)
    record(rollouts.engine, [request("r"), request("s", model="churn")])
    record_labels(rollouts.engine, "income", [Label(request_id="r", row=0, label=1)], at=AT)
    rollouts.assess(row.id)
    event.remove(rollouts.engine, "before_cursor_execute", note)
    with rollouts.engine.connect() as connection:
        plans = [
            step.detail
            for statement, parameters in looks
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert {"request", "prediction", "label"} <= {word for plan in plans for word in plan.split()}
    scans = [
        plan for plan in plans if plan.startswith(("SCAN request", "SCAN prediction", "SCAN label", "SCAN canary"))
    ]
    assert scans == []
