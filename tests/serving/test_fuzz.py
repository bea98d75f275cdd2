"""No input is answered by a failure of the server, on either database; `tests/serving/fuzz.py` sends more by hand."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.rollout.postgres import binaries, server
from tests.serving.fuzz import blamed, gateway
from tests.serving.support import person

POSTGRES = binaries()
BACKENDS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed")),
]


@pytest.fixture(scope="module", params=BACKENDS)
def served(request, tmp_path_factory):
    home = tmp_path_factory.mktemp("fuzzed")
    if request.param == "sqlite":
        with gateway(home, None) as stand:
            yield stand
        return
    with server(POSTGRES) as url, gateway(home, url) as stand:
        yield stand


def test_no_input_is_the_servers_fault(served):
    statuses, bad = blamed(served, seed=1, count=400)
    assert bad == []
    assert {200, 400, 404, 405} <= set(statuses)
    assert "Traceback" not in served.log()


NUL = {
    "a cell": {"dataframe_records": [person(1, sector="a\x00")]},
    "an entity": {"dataframe_records": [person("a\x00")]},
    "a column": {"dataframe_records": [person(1) | {"a\x00": 1}]},
    "a column that is nearly the canary's": {"dataframe_records": [person(1) | {"agee\x00": 1}]},
    "the request's name": {"dataframe_records": [person(1)], "params": {"request_id": "a\x00"}},
    "a label's request": {"labels": [{"request_id": "a\x00", "row": 0, "label": 1}]},
    "a label": {"labels": [{"request_id": "a", "row": 0, "label": "a\x00"}]},
}


@pytest.mark.parametrize("where", NUL)
def test_the_character_that_no_database_keeps_is_refused_anywhere(served, where):
    path = "labels" if "labels" in NUL[where] else "invocations"
    answer = served.client.post(f"/models/income/{path}", json=NUL[where])
    assert answer.status_code == 400
    assert "U+0000" in answer.json()["message"]


def test_a_backslash_before_u0000_is_no_such_character(served):
    assert served.score(person(1, sector="\\u0000")).status_code == 200


@pytest.mark.parametrize("depth", [10, 900, 955, 990, 5_000])
@pytest.mark.parametrize("name", ["id", "age", "sector", "label"])
def test_a_cell_however_deep_gets_400(served, depth, name):
    deep = "[" * depth + "]" * depth
    if name == "label":
        body, path = f'{{"labels": [{{"request_id": "a", "label": {deep}}}]}}', "labels"
    else:
        record = {key: json.dumps(value) for key, value in person(1).items()} | {name: deep}
        body = '{"dataframe_records": [{' + ",".join(f'"{key}": {cell}' for key, cell in record.items()) + "}]}"
        path = "invocations"
    answer = served.client.post(f"/models/income/{path}", content=body)
    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 1_000


@pytest.mark.parametrize("number", ["1e400", "-0", "9" * 400, "9" * 5_000, "NaN", "1" + "0" * 5_000])
@pytest.mark.parametrize("name", ["id", "age", "sector"])
def test_a_number_however_odd_is_no_failure(served, number, name):
    record = {key: json.dumps(value) for key, value in person(1).items()} | {name: number}
    body = '{"dataframe_records": [{' + ",".join(f'"{key}": {cell}' for key, cell in record.items()) + "}]}"
    assert served.client.post("/models/income/invocations", content=body).status_code in (200, 400)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/models", "/models/income", "/models/income/invocations"])
def test_another_method_gets_405_and_is_told_which_would_do(served, method, path):
    answer = served.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] in ("GET", "POST")


def test_bad_requests_among_good_ones_take_none_with_them(served):
    def ask(number):
        return (
            served.score(person(number), {"id": "a\x00"}) if number % 3 else served.score(person(number))
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(90))) == [200 if number % 3 == 0 else 400 for number in range(90)]
