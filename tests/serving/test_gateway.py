"""The gateway while versions come and go, servers fail, and the process dies."""

import os
import signal
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from tests.serving.support import LIMITS, SERVE, onnx_model, person, signature, wait_until

from assay.rollout import Decision
from assay.rollout.database import reading
from assay.rollout.tables import PREDICTION
from assay.serving.split import percent_point

BETTER = onnx_model(weight=0.06)


def logged(stand, **where):
    with reading(stand.engine) as connection:
        query = select(PREDICTION).where(*(PREDICTION.c[name] == value for name, value in where.items()))
        return connection.execute(query.order_by(PREDICTION.c.id)).all()


def begin(stand, version, content, **changes):
    return stand.rollouts.begin(ref=stand.ref(version, content, **changes), run_key=f"run {version}", policy=LIMITS)


def test_the_canary_serves_its_entities_and_both_versions_score_every_row(stand):
    stand.crown(1, onnx_model())
    row = begin(stand, 2, BETTER)
    row = stand.rollouts.advance(row.id, row.epoch)
    row = stand.rollouts.advance(row.id, row.epoch)
    stand.serve()
    answer = stand.score(*(person(n) for n in range(300)), request_id="split").json()
    canary = {n for n in range(300) if percent_point("income", str(n)) < 25}
    assert {n for n, by in enumerate(answer["assay"]["rows"]) if by == {"version": 2, "arm": "canary"}} == canary
    rows = logged(stand, request_id="split")
    assert len(rows) == 600
    for each in rows:
        served_by = 2 if each.row in canary else 1
        assert each.served == (each.version == served_by)
        assert each.arm == ("shadow" if not each.served else "canary" if each.version == 2 else "champion")
        assert (each.features is not None) == each.served
        assert each.epoch == row.epoch
    wider = stand.rollouts.advance(row.id, row.epoch)
    stand.wait_for_epoch()
    arms = [by["arm"] for by in stand.score(*(person(n) for n in range(300))).json()["assay"]["rows"]]
    assert {n for n, arm in enumerate(arms) if arm == "canary"} > canary
    stand.rollouts.roll_back(wider.id, wider.epoch, reason="seen enough")
    stand.wait_for_epoch()
    assert {by["version"] for by in stand.score(person(1)).json()["assay"]["rows"]} == {1}
    assert stand.client.get("/models/income").json()["canary"] is None


def test_a_first_version_earns_evidence_before_it_serves(stand):
    row = begin(stand, 1, onnx_model())
    stand.serve()
    for number in range(12):
        answer = stand.score(person(number, age=60), person(number, age=0, sector="x"), request_id=f"r{number}")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "there is no champion" in answer.json()["message"]
        name = answer.json()["assay"]["request_id"]
        labels = [{"request_id": name, "row": 0, "label": ">50K"}, {"request_id": name, "row": 1, "label": "<=50K"}]
        assert stand.client.post("/models/income/labels", json={"labels": labels}).status_code == 200
    assert {(each.arm, each.served) for each in logged(stand)} == {("shadow", False)}
    assert stand.rollouts.assess(row.id).labels == 24
    assert stand.score(person(0, age=60), person(0, age=0, sector="x"), request_id="r0").status_code == 503
    for _ in LIMITS.stages:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.wait_for_epoch()
    assert stand.score(person(1)).json()["assay"]["rows"] == [{"version": 1, "arm": "canary"}]


def test_a_canary_that_fails_costs_the_clients_nothing(stand):
    stand.crown(1, onnx_model())
    row = begin(stand, 2, onnx_model(feature="income_of_last_year"))
    for _ in LIMITS.stages:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.serve()
    for number in range(40):
        answer = stand.score(person(number))
        assert answer.json()["assay"]["rows"] == [{"version": 1, "arm": "champion"}]
    assert all("income_of_last_year" in each.error for each in logged(stand, version=2))
    assert stand.rollouts.assess(row.id).decision is Decision.ROLLBACK


def test_scores_that_are_no_probabilities_are_failures(stand):
    stand.crown(1, onnx_model())
    begin(stand, 2, onnx_model(bias=float("nan")))
    stand.serve()
    assert stand.score(person(1)).status_code == 200
    (bad,) = logged(stand, version=2)
    assert (bad.score, bad.error) == (None, "the score nan is not a probability")


def test_an_answer_that_was_given_survives_kill_9(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    with ThreadPoolExecutor(4) as pool:
        names = [f"r{n}" for n in range(40)]
        answers = list(pool.map(lambda name: stand.score(person(1), request_id=name), names))
    stand.kill()
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(each.request_id for each in logged(stand)) == sorted(names)
    stand.serve()
    again = stand.score(person(1), request_id="r0")
    assert (again.status_code, again.content) == (200, answers[0].content)


def test_it_answers_without_mlflow_even_after_its_own_restart(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    stand.artifacts.stop()
    assert stand.score(person(1)).status_code == 200
    stand.kill()
    stand.serve()
    assert stand.score(person(1)).status_code == 200
    begin(stand, 2, BETTER)  # which cannot be fetched now
    stand.wait_for_epoch()
    described = stand.client.get("/models/income").json()
    assert described["champion"]["loaded"]
    assert not described["canary"]["loaded"]
    assert "does not answer" in described["problem"]
    assert stand.score(person(1)).status_code == 200
    stand.artifacts.start()
    wait_until(lambda: stand.client.get("/models/income").json()["canary"]["loaded"])
    assert stand.client.get("/models/income").json()["problem"] == ""


def test_bytes_that_are_not_those_that_were_gated_are_refused(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    row = begin(stand, 2, BETTER, digest="ab" * 32)
    stand.wait_for_epoch()
    described = stand.client.get("/models/income").json()
    assert not described["canary"]["loaded"]
    assert "has SHA-256" in described["problem"]
    for _ in LIMITS.stages:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.wait_for_epoch()
    assert stand.score(person(1)).json()["assay"]["rows"] == [{"version": 1, "arm": "champion"}]
    stand.rollouts.promote(row.id, row.epoch)  # by force: nobody could have seen evidence for it
    time.sleep(2.5)  # two looks at the deployments
    assert stand.score(person(1)).json()["assay"]["rows"][0]["version"] == 1
    assert not (stand.home / "gateway" / "models" / f"{'ab' * 32}.onnx").exists()


def test_a_refused_model_raises_one_incident_and_the_last_good_one_goes_on_serving(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    ref = stand.ref(2, BETTER)
    stand.artifacts.files[ref.path.replace("model.onnx", "model.sig")] = signature(stand.home / "strangers", BETTER)
    row = stand.rollouts.begin(ref=ref, run_key="run 2", policy=LIMITS)
    stand.wait_for_epoch()
    (incident,) = stand.incidents.open()
    assert (incident.model, incident.version, incident.kind) == ("income", 2, "model_refused")
    assert f"{ref.path}: model.sig was made by an unknown key" in incident.message
    assert "assay dossier verify income 2" in incident.mend
    asked = len(stand.artifacts.asked)
    for _ in LIMITS.stages:
        row = stand.rollouts.advance(row.id, row.epoch)
    stand.rollouts.promote(row.id, row.epoch)  # by force
    time.sleep(2.5)  # two looks at the deployments
    assert stand.score(person(1)).json()["assay"]["rows"] == [{"version": 1, "arm": "champion"}]
    assert len(stand.artifacts.asked) == asked  # not fetched at every look
    assert stand.incidents.open() == [incident]


def test_a_server_that_is_away_is_no_incident(stand):
    stand.crown(1, onnx_model())
    stand.artifacts.stop()
    stand.serve()
    assert "does not answer" in stand.client.get("/models/income").json()["problem"]
    assert stand.incidents.all() == []


def test_a_damaged_cache_is_fetched_again(stand):
    content = onnx_model()
    stand.crown(1, content)
    stand.serve()
    stand.kill()
    (file,) = (stand.home / "gateway" / "models").glob("*.onnx")
    file.write_bytes(content[:100])
    stand.serve()
    assert stand.score(person(1)).status_code == 200
    assert file.read_bytes() == content


def test_a_model_of_another_name_and_a_file_that_is_no_model_are_refused(stand):
    begin(stand, 1, onnx_model(model="churn"))
    stand.serve()
    assert 'this is a model "churn"' in stand.client.get("/models/income").json()["problem"]
    begin(stand, 2, b"\x80\x04 a pickle, perhaps")
    wait_until(lambda: "not a readable ONNX model" in stand.client.get("/models/income").json()["problem"])
    answer = stand.score(person(1))
    assert (answer.status_code, "no version serves" in answer.json()["message"]) == (503, True)


def test_without_a_log_there_is_no_decision(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    assert stand.score(person(1)).status_code == 200
    with sqlite3.connect(stand.home / "operations.db") as connection:
        connection.execute("ALTER TABLE prediction RENAME TO away")
    answer = stand.score(person(1))
    assert answer.status_code == 503
    assert "could not be recorded" in answer.json()["message"]
    assert "Traceback" not in answer.text
    with sqlite3.connect(stand.home / "operations.db") as connection:
        connection.execute("ALTER TABLE away RENAME TO prediction")
    assert stand.score(person(1)).status_code == 200


def test_while_deployments_cannot_be_read_the_last_assignment_stands(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    with sqlite3.connect(stand.home / "operations.db") as connection:
        connection.execute("ALTER TABLE deployment RENAME TO away")
    wait_until(lambda: "no such table: deployment" in stand.log())
    assert stand.client.get("/models/income").json()["champion"]["loaded"]
    assert stand.score(person(1)).status_code == 200
    with sqlite3.connect(stand.home / "operations.db") as connection:
        connection.execute("ALTER TABLE away RENAME TO deployment")
    begin(stand, 2, BETTER)
    stand.wait_for_epoch()


def test_sigterm_answers_what_was_taken(stand):
    stand.crown(1, onnx_model())
    stand.serve()
    rows = [person(n) for n in range(5_000)]
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(stand.score, *rows, request_id="last")
        wait_until(lambda: large.running())
        while not large.done() and not logged(stand, request_id="last"):
            pass
        stand.process.send_signal(signal.SIGTERM)
        assert large.result().status_code == 200
    assert stand.process.wait(timeout=20) in (0, -signal.SIGTERM)
    assert len(logged(stand, request_id="last")) == 5_000


def test_it_does_not_start_without_a_token(stand):
    environment = {**os.environ, "ASSAY_OPERATIONS_DB": stand.database, "ASSAY_HOME": str(stand.home)}
    environment.pop("ASSAY_GATEWAY_TOKEN", None)
    ended = subprocess.run(SERVE, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "ASSAY_GATEWAY_TOKEN: is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_loads_nothing_that_could_run_a_models_code():
    code = "import sys, assay.cli.serve, assay.serving.app; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([SERVE[0], "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "starlette" in loaded
    assert not {"airflow", "mlflow", "sklearn", "skops", "joblib", "cloudpickle", "pandas", "model_signing"} & set(
        loaded
    )
