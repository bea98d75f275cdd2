"""Scoring over HTTP."""

import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from tests.serving.support import TOKEN, person

from assay.rollout.database import reading
from assay.rollout.tables import PREDICTION

URL = "/models/income/invocations"


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def logged(stand, request_id):
    with reading(stand.engine) as connection:
        rows = connection.execute(
            select(PREDICTION).where(PREDICTION.c.request_id == request_id).order_by(PREDICTION.c.id)
        )
        return [dict(row._mapping) for row in rows]


def test_records_and_split_frames_get_the_same_answer(champion):
    records = champion.score(person(1), person(2, age=20, sector=None)).json()["predictions"]
    split = {"columns": ["sector", "id", "unused", "age"], "data": [["private", 1, "?", 40], [None, 2, "?", 20]]}
    assert champion.client.post(URL, json={"dataframe_split": split}).json()["predictions"] == records
    assert [each["score"] for each in records] == pytest.approx([sigmoid(1), sigmoid(-1)], abs=1e-6)
    assert [each["label"] for each in records] == [">50K", "<=50K"]


def test_an_answer_says_who_answered_and_its_log_holds_all_of_it(champion):
    answer = champion.score(person("a"), person("b"), request_id="whole").json()
    assert answer["assay"] == {"request_id": "whole", "rows": [{"version": 1, "arm": "champion"}] * 2}
    rows = logged(champion, "whole")
    assert [(row["row"], row["entity"], row["served"], row["error"]) for row in rows] == [
        (0, "a", True, None),
        (1, "b", True, None),
    ]
    assert [row["score"] for row in rows] == [each["score"] for each in answer["predictions"]]
    assert json.loads(rows[0]["features"]) == {"age": 40, "sector": "private"}


def test_entities_may_stand_beside_the_rows(champion):
    rows = [{"age": 1, "sector": "x"}] * 2
    champion.score(*rows, entities=["a", 7.0], request_id="beside").raise_for_status()
    assert [row["entity"] for row in logged(champion, "beside")] == ["a", "7"]


def test_a_repeated_request_gets_the_same_answer_and_another_one_409(champion):
    first = champion.score(person(1), request_id="twice")
    again = champion.score(person(1), request_id="twice")
    assert (again.status_code, again.content) == (200, first.content)
    assert len(logged(champion, "twice")) == 1
    other = champion.score(person(2), request_id="twice")
    assert other.status_code == 409
    assert "twice" in other.json()["message"]


def test_many_at_once_are_all_recorded(champion):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: champion.score(person(n), request_id=f"crowd {n}"), range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert all(len(logged(champion, f"crowd {n}")) == 1 for n in range(200))


def test_a_large_request_is_scored_whole(champion):
    rows = [person(n, age=n % 90) for n in range(3_000)]
    answer = champion.score(*rows).json()
    assert [p["score"] for p in answer["predictions"]] == pytest.approx(
        [sigmoid(0.05 * row["age"] - 1) for row in rows], abs=1e-6
    )


SPLIT = {"columns": ["id", "age", "sector"], "data": [[1, 40, "x"]]}
BAD = {
    "not JSON": (b"{", "not JSON"),
    "not UTF-8": (b'{"dataframe_records": [{"\xff": 1}]}', "not JSON"),
    "too deep": (b"[" * 100_000, "the request is not"),
    "no frame": ({}, "either dataframe_split or dataframe_records"),
    "two frames": ({"dataframe_split": SPLIT, "dataframe_records": [person(1)]}, "either dataframe_split or"),
    "another protocol": ({"instances": [1]}, "unknown field `instances`"),
    "a list": ([1], "Expected `object`"),
    "no rows": ({"dataframe_records": []}, "between 1 and 10000 rows, this one has 0"),
    "too many rows": ({"dataframe_records": [{}] * 10_001}, "this one has 10001"),
    "ragged": ({"dataframe_split": {**SPLIT, "data": [[1, 2, "x"], [1, 2]]}}, "row 1: has 2 cells for 3 columns"),
    "a column twice": ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "a: this column is given twice"),
    "a typing error": ({"dataframe_records": [{"id": 1, "agee": 1, "sector": "x"}]}, 'did you mean "agee"?'),
    "one row lacks a cell": ({"dataframe_records": [person(1), {"id": 2, "age": 3}]}, "sector, row 1"),
    "text for a number": ({"dataframe_records": [person(1), person(2, age="old")]}, "age: row 1: 'old'"),
    "truth for a number": ({"dataframe_records": [person(1, age=True)]}, "age: row 0: True"),
    "a list for text": ({"dataframe_records": [person(1, sector=["x"])]}, "sector: row 0: ['x']"),
    "a huge number": ({"dataframe_records": [person(1, age=10**60)]}, "age: row 0"),
    "nobody": ({"dataframe_records": [{"age": 1, "sector": "x"}]}, "params.entities"),
    "an empty entity": ({"dataframe_records": [person(1), person("")]}, "id, row 1"),
    "too few entities": (
        {"dataframe_records": [person(1)], "params": {"entities": []}},
        "has 0 entries for 1 rows (one for each row)",
    ),
    "a bad name": ({"dataframe_records": [person(1)], "params": {"request_id": "a\nb"}}, "params.request_id"),
    "an unknown parameter": ({"dataframe_records": [person(1)], "params": {"requestid": "a"}}, "unknown field"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_400_in_one_clear_message(champion, name):
    body, said = BAD[name]
    answer = champion.client.post(URL, content=body if isinstance(body, bytes) else json.dumps(body))
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["message"] + str(answer.json()["problems"])
    assert "Traceback" not in answer.text
    assert "\n" not in answer.json()["message"]


WASTEFUL = {  # few bytes for the client, hours or gigabytes for whoever lays them out without looking
    "records that share no column": {"dataframe_records": [{f"{i}.{j}": 1 for j in range(40)} for i in range(5_000)]},
    "one column many times": {"dataframe_split": {"columns": ["a"] * 300_000, "data": []}},
}


@pytest.mark.parametrize("name", WASTEFUL)
def test_a_wasteful_request_is_refused_at_once(champion, name):
    body = json.dumps(WASTEFUL[name]).encode()
    answer = champion.client.post(URL, content=body, timeout=10)
    assert answer.status_code == 400
    assert len(answer.content) < 1_000


def test_a_client_that_leaves_costs_one_line_at_most(champion):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", champion.client.base_url.port)) as client:
            head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 500"
            client.sendall(f"{head}\r\n\r\n{{".encode())
    assert champion.score(person("after")).status_code == 200
    assert "Traceback" not in champion.log()


def test_every_missing_feature_is_named_at_once(champion):
    answer = champion.score({"id": 1, "Age": 3}).json()
    assert [each["path"] for each in answer["problems"]] == ["age", "sector"]


def test_too_large_a_body_is_refused(champion):
    def parts():
        for _ in range(9):
            yield b" " * 2**20

    assert champion.client.post(URL, content=b" " * (8 * 2**20 + 1)).status_code == 413
    assert champion.client.post(URL, content=parts()).status_code == 413


def test_what_is_not_there_is_a_404_that_helps(champion):
    answer = champion.client.post("/models/incme/invocations", json={"dataframe_records": [person(1)]})
    assert answer.status_code == 404
    assert 'did you mean "income"?' in answer.json()["message"]
    assert champion.client.get("/elsewhere").json()["error_code"] == "NOT_FOUND"
    assert champion.client.get(URL).status_code == 405


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models"), ("GET", "/models/income"), ("POST", URL), ("POST", "/models/income/labels"), ("GET", "/x")],
)
def test_without_the_token_nothing_is_told(champion, shown, method, path):
    headers = {} if shown is None else {"authorization": shown}
    plain = champion.client.build_request(method, path, headers=headers)
    if shown is None:
        del plain.headers["authorization"]
    answer = champion.client.send(plain)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "income" not in answer.text


def test_health_is_open_and_says_only_ok(champion):
    request = champion.client.build_request("GET", "/healthz")
    del request.headers["authorization"]
    assert champion.client.send(request).json() == {"ok": True}
