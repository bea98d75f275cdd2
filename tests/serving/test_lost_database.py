"""The operations database deleted, moved or replaced under a gateway that serves."""

import sqlite3

import pytest
from tests.rollout.test_database_file import LOST
from tests.serving.support import onnx_model, person, wait_until


@pytest.fixture
def serving(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    assert stand.score(person(1), request_id="before").status_code == 200
    return stand


def logged(stand):
    with sqlite3.connect(f"file:{stand.home / 'operations.db'}?mode=ro", uri=True) as connection:
        return {row[0] for row in connection.execute("SELECT request_id FROM request")}


@pytest.mark.parametrize("how", [how for how in LOST if "folder" not in how])
def test_no_decision_is_answered_that_is_not_in_the_log_and_what_is_back_goes_on(serving, how):
    lose, restore = LOST[how]
    path = serving.home / "operations.db"
    lose(path)
    for number in range(5):
        answer = serving.score(person(number), request_id=f"lost {number}")
        assert answer.status_code == 503, answer.text
        assert "could not be recorded" in answer.json()["message"]
    label = {"labels": [{"request_id": "before", "row": 0, "label": 1}]}
    answer = serving.client.post("/models/income/labels", json=label)
    assert answer.status_code == 503, answer.text
    assert str(serving.home) not in answer.text
    restore(path)
    assert serving.score(person(1), request_id="after").status_code == 200
    assert serving.client.post("/models/income/labels", json=label).status_code == 200
    assert logged(serving) == {"before", "after"}
    wait_until(lambda: [i.kind for i in serving.incidents.open("income")] == ["operations_database_lost"])
    assert "Traceback" not in serving.log()


def test_a_restart_uses_what_was_restored_and_refuses_an_empty_one(serving):
    path, away = serving.home / "operations.db", serving.home / "away"
    path.rename(away)
    serving.process.terminate()
    serving.process.wait(timeout=30)
    with pytest.raises(AssertionError, match=r"the operations database is gone, but one was made here before"):
        serving.serve()
    assert not path.exists()
    path.write_bytes(away.read_bytes())
    serving.serve()
    assert serving.score(person(1), request_id="after").status_code == 200
    assert {"before", "after"} <= logged(serving)


def test_a_deleted_write_ahead_log_loses_no_decision_that_was_answered(serving):
    (serving.home / "operations.db-wal").unlink()
    statuses = [serving.score(person(1), request_id=f"r{n}").status_code for n in range(4)]
    assert statuses[-1] == 200
    serving.kill()
    answered = {f"r{n}" for n, status in enumerate(statuses) if status == 200}
    assert {"before", *answered} <= logged(serving)
