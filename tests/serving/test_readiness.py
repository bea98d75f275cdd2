"""Readiness: each thing that the gateway needs, missing and back again."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.serving.support import LIMITS, onnx_model, person, wait_until

from assay.registry.keys import create_keys
from assay.rollout.tables import HEARTBEAT

CHECKS = ["log", "keys", "deployments", "champions"]


def anonymous(stand, path) -> httpx.Response:
    """What somebody without the token is answered."""
    request = stand.client.build_request("GET", path)
    del request.headers["authorization"]
    return stand.client.send(request)


def readiness(stand) -> tuple[int, dict[str, str]]:
    """Status, and the reasons of the checks that are not well."""
    answer = anonymous(stand, "/readyz")
    body = answer.json()
    assert list(body["checks"]) == CHECKS
    assert body["ready"] == (answer.status_code == 200) == all(check["ok"] for check in body["checks"].values())
    return answer.status_code, {name: check["reason"] for name, check in body["checks"].items() if not check["ok"]}


def wait_for(stand, *names):
    wait_until(lambda: set(readiness(stand)[1]) == set(names), seconds=60)
    assert anonymous(stand, "/healthz").status_code == 200


def test_without_a_model_it_is_ready_so_that_a_first_one_can_come(stand):
    stand.serve()
    assert readiness(stand) == (200, {})
    stand.rollouts.begin(ref=stand.ref(1, onnx_model()), run_key="first", policy=LIMITS)
    stand.wait_for_epoch()
    wait_for(stand)


def test_each_thing_that_is_missing_is_named_until_it_is_back(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    wait_for(stand)
    database, keys = stand.home / "operations.db", stand.keys / "trusted.json"
    database.rename(stand.home / "away")
    wait_for(stand, "log", "deployments")
    (stand.home / "away").rename(database)
    wait_for(stand)
    keys.rename(stand.keys / "away")
    wait_for(stand, "keys", "champions")
    (stand.keys / "away").rename(keys)
    wait_for(stand)
    create_keys(stand.home / "others")  # the signature is of a key that is not trusted any more
    trusted = keys.read_bytes()
    shutil.copy(stand.home / "others" / "trusted.json", keys)
    wait_for(stand, "champions")
    keys.write_bytes(trusted)
    wait_for(stand)
    ref = stand.ref(2, onnx_model(bias=1.0))
    good = stand.artifacts.files[ref.path]
    stand.artifacts.files[ref.path] = b"tampered"
    row = stand.rollouts.begin(ref=ref, run_key="2", policy=LIMITS)
    wait_until(lambda: "SHA-256" in stand.client.get("/models/income").json()["problem"])
    assert readiness(stand) == (200, {})  # a canary that is refused costs no answer
    while not row.last_stage:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.rollouts.promote(row.id, row.epoch)
    wait_for(stand, "champions")
    assert good
    assert "Traceback" not in stand.log()


def test_it_names_no_model_and_no_path_to_strangers_and_all_to_the_log(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    (stand.keys / "trusted.json").unlink()
    (stand.home / "operations.db").rename(stand.home / "away")
    wait_until(lambda: set(readiness(stand)[1]) == set(CHECKS))
    answer = anonymous(stand, "/readyz")
    for secret in ("income", "operations.db", "trusted.json", str(stand.home), "sqlite"):
        assert secret not in answer.text
    assert str(stand.keys / "trusted.json") in stand.log()
    assert str(stand.home / "operations.db") in stand.log()
    (stand.home / "away").rename(stand.home / "operations.db")


def test_many_who_ask_cost_one_look_a_second(stand):
    stand.serve()
    count = f"CREATE TRIGGER beats AFTER UPDATE ON {HEARTBEAT.name} BEGIN INSERT INTO beaten VALUES (1); END"
    readiness(stand)
    with stand.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE beaten (x)")
        connection.exec_driver_sql(count)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: readiness(stand)[0], range(400)))

    def beaten():
        with stand.engine.begin() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM beaten").scalar_one()

    assert answers == [200] * 400
    assert beaten() < 200
    wait_until(lambda: readiness(stand) == (200, {}) and beaten())


@pytest.mark.parametrize("blocks", [40, 400])
def test_a_full_disk_is_503_and_not_ready_and_both_pass(stand, blocks):
    """The gateway may write no file beyond a size; that is as a full disk is, and needs no disk."""
    stand.crown(1, onnx_model())
    stand.engine.dispose()  # so that the log starts empty
    stand.serve(file_blocks=blocks + (stand.home / "operations.db").stat().st_size // 1024)
    rows = [person(n, sector="x" * 500) for n in range(1_000)]
    answers = [stand.score(*rows) for _ in range(3)]
    assert answers[-1].status_code == 503
    assert "could not be recorded" in answers[-1].json()["message"]
    assert "sqlite" not in answers[-1].text
    assert readiness(stand)[1].keys() == {"log"}
    assert stand.process.poll() is None
    stand.kill()
    stand.serve()
    assert stand.score(*rows, request_id="after").status_code == 200
    wait_for(stand)
