"""`assay doctor` says what this machine can do about isolation, and what stands in the way."""

import json

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.isolation import LEVELS, probe


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    def run(*options, setting="", home=tmp_path / "home"):
        monkeypatch.setenv("ASSAY_ISOLATION", setting)
        monkeypatch.setenv("ASSAY_HOME", str(home))
        monkeypatch.delenv("ASSAY_KEYS", raising=False)
        monkeypatch.delenv("ASSAY_TRAINING_USER", raising=False)
        return CliRunner().invoke(app, ["doctor", *options])

    return run


def test_every_level_is_named_with_its_reason_and_the_one_that_auto_takes(doctor):
    working = [level for level in LEVELS if level != "none" and not probe()[level]]
    done = doctor()
    assert done.exit_code == 0, done.output
    assert f"ASSAY_ISOLATION=auto: training runs at level {working[0]}" in done.output
    assert f"* {working[0]}" in done.output
    assert "no: ASSAY_TRAINING_USER names no account" in done.output
    told = json.loads(doctor("--json").output)
    assert told["isolation"]["chosen"] == working[0]
    assert told["isolation"]["reasons"] == probe()
    names = {each["name"] for each in told["facts"]}
    assert {"Python", "kernel", "free disk", "ASSAY_HOME", "ASSAY_KEYS", "readable in a box"} <= names


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("user", "training is refused: ASSAY_ISOLATION is user, which does not work here"),
        ("landlok", "training is refused: ASSAY_ISOLATION 'landlok' is not a level of isolation"),
        ("none", "training runs without isolation; models of risk tier high are refused"),
    ],
)
def test_a_setting_under_which_nothing_is_isolated_ends_with_1(doctor, setting, said):
    done = doctor(setting=setting)
    assert done.exit_code == 1
    assert said in done.output


def test_a_machine_without_any_level_ends_with_1(doctor, monkeypatch):
    reasons = {"namespaces": "no bubblewrap", "landlock": "no Landlock", "user": "no account", "none": ""}
    for place in ("assay.local.health.probe", "assay.isolation.level.probe"):
        monkeypatch.setattr(place, lambda: reasons)
    done = doctor()
    assert done.exit_code == 1
    assert "no: no Landlock" in done.output
    assert "no level works here" in done.output


def test_folders_that_others_or_boxes_can_enter_are_told(doctor, tmp_path, monkeypatch):
    home = tmp_path / "open"
    home.mkdir()
    home.chmod(0o755)
    assert f"! keep others out: chmod o-rwx {home}" in doctor(home=home).output
    home.chmod(0o700)
    monkeypatch.setattr("assay.isolation.platform_paths.system_paths", lambda: [tmp_path])
    told = doctor(home=home).output
    assert f"ASSAY_KEYS in {tmp_path}" in told
    assert "! move it: every training process may read that folder" in told


def test_help_teaches(doctor):
    told = doctor("--help").output
    assert all(level in told for level in LEVELS)
    assert "ASSAY_ISOLATION" in told
