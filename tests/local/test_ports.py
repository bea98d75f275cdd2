"""Ports: asked for, remembered, preferred, next free."""

import socket
from collections.abc import Iterator

import pytest

from assay.core import UserError
from assay.local import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_listening_port_is_not_free(taken: int) -> None:
    assert not ports.is_free(taken)
    assert ports.is_free(free())


def test_a_preferred_port_that_is_taken_gives_way_to_the_next(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PREFERRED", {"airflow": taken})
    chosen = ports.choose(requested={}, remembered={})["airflow"]
    assert chosen > taken
    assert ports.is_free(chosen)


def test_a_remembered_port_is_kept_while_free(taken: int) -> None:
    remembered = {"airflow": free(), "mlflow": taken}
    chosen = ports.choose(requested={}, remembered=remembered)
    assert chosen["airflow"] == remembered["airflow"]
    assert chosen["mlflow"] != taken
    assert len(set(chosen.values())) == len(ports.PREFERRED)


def test_two_services_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    start = free()
    monkeypatch.setattr(ports, "PREFERRED", {"airflow": start, "mlflow": start, "gateway": start})
    assert len(set(ports.choose(requested={}, remembered={}).values())) == 3


def test_a_settled_port_is_kept_although_it_is_taken_by_ourselves(taken: int) -> None:
    assert ports.choose(requested={}, remembered={}, settled={"mlflow": taken})["mlflow"] == taken


def test_every_wrong_request_is_told_at_once(taken: int) -> None:
    with pytest.raises(UserError) as caught:
        ports.choose(requested={"airflow": taken, "mlflow": 70000, "gateway": 0}, remembered={})
    told = {problem.path: problem.message for problem in caught.value.problems}
    assert set(told) == {"--airflow-port", "--mlflow-port", "--gateway-port"}
    assert told["--airflow-port"] == f"port {taken} is taken"


def test_a_port_asked_for_twice_is_refused() -> None:
    port = free()
    with pytest.raises(UserError, match="also asked for by --mlflow-port"):
        ports.choose(requested={"airflow": port, "mlflow": port}, remembered={})


def test_none_free_is_an_error_that_says_so(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PREFERRED", {"airflow": taken})
    monkeypatch.setattr(ports, "_SEARCH", 1)
    with pytest.raises(UserError, match="no free port"):
        ports.choose(requested={}, remembered={})
