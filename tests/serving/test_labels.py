"""Labels over HTTP."""

import pytest
from sqlalchemy import select
from tests.serving.support import person

from assay.rollout.database import reading
from assay.rollout.tables import LABEL


def send(stand, *labels):
    given = [dict(zip(("request_id", "row", "label"), label, strict=True)) for label in labels]
    return stand.client.post("/models/income/labels", json={"labels": given})


def known(stand, request_id):
    with reading(stand.engine) as connection:
        rows = connection.execute(select(LABEL).where(LABEL.c.request_id == request_id).order_by(LABEL.c.row))
        return [row.label for row in rows]


def test_classes_go_by_name_or_number(champion):
    champion.score(*(person(n) for n in range(4)), request_id="names")
    answer = send(champion, ("names", 0, ">50K"), ("names", 1, "<=50K"), ("names", 2, 1), ("names", 3, 0.0))
    assert answer.json() == {"accepted": 4, "repeated": 0}
    assert known(champion, "names") == [1, 0, 1, 0]


def test_saying_it_again_is_fine_and_taking_it_back_is_not(champion):
    champion.score(person(1), request_id="again")
    send(champion, ("again", 0, 1))
    assert send(champion, ("again", 0, ">50K")).json() == {"accepted": 0, "repeated": 1}
    answer = send(champion, ("again", 0, 0))
    assert answer.status_code == 409
    assert known(champion, "again") == [1]


@pytest.mark.parametrize(
    ("bad", "status", "said"),
    [
        (("never", 0, 1), 404, "never, row 0"),
        (("good", 9, 1), 404, "good, row 9"),
        (("good", 0, ">50k"), 400, "labels[1].label"),
        (("good", 0, 2), 400, "labels[1].label"),
        (("good", 0, None), 400, "labels[1].label"),
        (("good", 0, True), 400, "labels[1].label"),
        (("good", -1, 1), 400, "labels[1].row"),
        (("good", 0, 0), 409, "already has the other label"),
    ],
)
def test_one_bad_label_and_none_is_taken(champion, bad, status, said):
    champion.score(person(1), request_id="good")
    answer = send(champion, ("good", 0, 1), bad)
    assert answer.status_code == status, answer.text
    assert said in str(answer.json()["problems"])
    assert known(champion, "good") == []


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"labels": []}', b'{"labels": [{"row": 1}]}'])
def test_what_is_not_understood_is_a_400(champion, body):
    assert champion.client.post("/models/income/labels", content=body).status_code == 400
