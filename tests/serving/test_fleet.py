"""What a refused file costs: one incident, a look now and then, and never an answer."""

from pathlib import Path

import pytest
from tests.serving.support import LIMITS, Stand, onnx_model

from assay.core import UnavailableError
from assay.serving import fleet as module
from assay.serving.artifacts import Artifacts
from assay.serving.fleet import Fleet


@pytest.fixture
def fleet(stand: Stand) -> Fleet:
    return Fleet(stand.rollouts, Artifacts(stand.home / "cache", stand.settings), stand.incidents, seconds=60)


@pytest.fixture
def broken(stand: Stand) -> str:
    """Version 1 serves, version 2 is its canary, and its file has been changed; where that lies."""
    stand.crown(1, onnx_model())
    ref = stand.ref(2, onnx_model(bias=1.0))
    stand.rollouts.begin(ref=ref, run_key="run 2", policy=LIMITS)
    stand.artifacts.files[ref.path] = onnx_model(bias=2.0)
    return ref.path


def serving(fleet: Fleet) -> tuple[bool, bool]:
    live = fleet.live["income"]
    return live.champion is not None, live.canary is not None


def test_every_look_is_a_sighting_and_between_looks_nothing_is_fetched(stand, fleet, broken, monkeypatch):
    fleet.refresh()
    asked = len(stand.artifacts.asked)
    for _ in range(3):
        fleet.refresh()
    assert serving(fleet) == (True, False)
    assert (len(stand.artifacts.asked), stand.incidents.open()[0].sightings) == (asked, 1)
    assert f"{broken}: has SHA-256" in fleet.live["income"].problem
    later = module.time.monotonic() + module._PAUSE
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    fleet.refresh()
    (incident,) = stand.incidents.open()
    assert (len(stand.artifacts.asked), incident.sightings) == (asked + 1, 2)


def test_a_file_that_is_whole_again_is_loaded_and_a_person_closes_the_incident(stand, fleet, broken, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    fleet.refresh()
    stand.artifacts.files[broken] = onnx_model(bias=1.0)
    fleet.refresh()
    assert serving(fleet) == (True, True)
    assert fleet.live["income"].problem == ""
    assert [incident.key for incident in stand.incidents.open()] == ["model_refused/income/2"]
    assert stand.incidents.close("model_refused/income/2", by="reviewer", reason="restored from the backup")


def test_an_incident_that_cannot_be_written_costs_no_answer(stand, fleet, broken, monkeypatch, caplog):
    def away(*_: object, **__: object) -> None:
        raise UnavailableError("the database is full")

    monkeypatch.setattr(type(stand.incidents), "raise_", away)
    fleet.refresh()
    assert serving(fleet) == (True, False)
    assert "income version 2: the incident cannot be written: the database is full" in caplog.text


def test_a_file_that_is_gone_is_an_incident_and_keys_that_are_not_there_are_none(stand, fleet, broken):
    keys: Path = stand.keys / "trusted.json"
    trusted = keys.read_bytes()
    keys.unlink()
    fleet.refresh()
    assert serving(fleet) == (False, False)
    assert "assay keys init" in fleet.live["income"].problem
    assert [incident.kind for incident in stand.incidents.all()] == ["model_refused"]  # the changed bytes alone
    keys.write_bytes(trusted)
    del stand.artifacts.files["0/models/m-income1/artifacts/model.onnx"]
    fleet.refresh()
    assert {incident.version for incident in stand.incidents.open()} == {1, 2}
    assert "answers 404" in stand.incidents.open()[-1].message
