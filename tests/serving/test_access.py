"""Wrong tokens: counted, slowed down and logged, at nobody else's cost."""

import httpx
from tests.serving.support import TOKEN, onnx_model, person

from assay.serving.access import WrongTokens


def test_a_burst_of_wrong_tokens_gets_429_and_the_right_one_from_the_same_address_does_not(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    with httpx.Client(base_url=stand.client.base_url) as guesser:
        answers = [guesser.get("/models", headers={"authorization": f"Bearer guess-{n}"}) for n in range(100)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [401] * 60 + [429] * 40
        assert answers[-1].headers["connection"] == "close"
        assert int(answers[-1].headers["retry-after"]) > 0
        assert guesser.get("/models", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert guesser.get("/healthz").status_code == guesser.get("/readyz").status_code == 200
    assert stand.score(person(1)).status_code == 200
    assert stand.client.get("/models").json()["wrong_tokens"] == 100
    assert stand.log().count("wrong or no token from 127.0.0.1") == 1
    assert "guess-" not in stand.log()


def test_after_a_minute_an_address_may_try_again_and_its_burst_is_logged(caplog):
    wrong = WrongTokens()
    assert [wrong.count("a", 0.0) for _ in range(61)] == [False] * 60 + [True]
    assert not wrong.count("b", 1.0)
    assert not wrong.count("a", 61.0)
    assert "from a (last burst from there: 61; in all: 63)" in caplog.text
    assert len(caplog.records) == 3


def test_what_is_remembered_and_logged_of_many_addresses_is_bounded(caplog):
    wrong = WrongTokens()
    for number in range(5_000):
        wrong.count(f"address {number}", number / 1_000)
    assert len(wrong) == 1_024
    assert wrong.total == 5_000
    assert len(caplog.records) == 10
