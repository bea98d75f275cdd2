"""A hostile `train.py` reaches nothing at any level of isolation that this machine has, and is refused clearly."""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from tests.evidence.support import files_of, make_case
from tests.training import hostile

from assay.core import UserError
from assay.evidence.training import train
from assay.isolation import LEVELS, probe
from assay.isolation.platform_paths import PACKAGE
from assay.policy.models import TrainingLimits

pytestmark = pytest.mark.boxed
WORKING = [level for level in LEVELS if level != "none" and not probe()[level]]
SECRET = "the-signing-key"


def test_this_machine_has_the_two_levels_that_are_tested():
    assert {"namespaces", "landlock"} <= set(WORKING), probe()


@pytest.fixture(params=WORKING)
def level(request, monkeypatch):
    monkeypatch.setenv("ASSAY_ISOLATION", request.param)
    monkeypatch.setenv("ASSAY_SIGNING_KEY", SECRET)
    return request.param


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "keys" / "signing.pem"
    path.parent.mkdir()
    path.write_text(SECRET)
    return path


@pytest.fixture
def trained(tmp_path, level, caplog):
    """Train by a source, and give what the code printed; `limits` narrows the policy's."""

    def run(source, *, limits=None, **known):
        case, module = make_case(tmp_path)
        module.write_text(
            hostile.HEAD + source.format(**known)
            if known
            else hostile.HEAD + source.replace("{{", "{").replace("}}", "}")
        )
        training = case.policy.training.model_copy(update={"limits": TrainingLimits(**(limits or {}))})
        case = replace(case, policy=case.policy.model_copy(update={"training": training}))
        caplog.set_level("INFO", logger="assay")
        folder = tmp_path / "job"
        try:
            return train(case, files_of(module), folder=folder), printed(caplog)
        finally:
            assert not folder.exists()

    return run


def printed(caplog):
    return [each.getMessage() for each in caplog.records if each.name == "assay.training.relay"]


def refusal(trained, source, **given):
    with pytest.raises(UserError) as raised:
        trained(source, **given)
    return str(raised.value)


def reached(lines):
    return [line for line in lines if line.startswith("REACHED")]


def test_an_honest_model_says_how_it_was_kept_apart(trained, level):
    made, _ = trained("\ndef train(features, label, *, seed, parameters):\n    return honest(features, label)\n")
    assert made.isolation == level


def test_no_secret_is_within_reach(trained, secret, tmp_path):
    places = [str(secret), f"/proc/{os.getpid()}/environ", f"/proc/{os.getppid()}/environ", "/etc/shadow",
              f"/proc/1/root{secret}", f"/proc/self/root{secret}",
              str(PACKAGE.parent / "models/income/data/live.parquet"),
              str(tmp_path / "snapshots")]  # fmt: skip
    made, lines = trained(hostile.SECRETS, places=places)
    assert made.isolation
    assert not [line for line in reached(lines) if SECRET in line or "PAR1" in line or "root:" in line]
    allowed = {"PATH", "HOME", "TMPDIR", "PYTHONUNBUFFERED", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PWD",
               "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS",
               "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY",
               "LD_LIBRARY_PATH", "PYTHONHASHSEED", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}  # fmt: skip
    assert {line.split()[1] for line in lines if line.startswith("ENVIRONMENT")} <= allowed
    assert not [line for line in lines if line.startswith("PROCESS")]


def test_neither_frames_nor_objects_nor_files_hold_held_out_rows(trained):
    made, lines = trained(hostile.FRAME)
    sizes = {int(line.split()[1]) for line in lines if line.startswith("TABLE")}
    assert made.holdout_rows not in sizes
    files = [line.split()[1] for line in lines if line.startswith("FILE")]
    assert not [name for name in files if "held_out" in name or "validation" in name]


def test_a_payload_outside_the_folder_is_not_run(trained, tmp_path):
    payload = tmp_path / "payload.py"
    payload.write_text("print('REACHED payload')\n")
    assert "payload.py" in refusal(trained, hostile.PAYLOAD, place=str(payload))


def test_no_other_process_is_traced(trained):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        _, lines = trained(hostile.PTRACE, pids=[other.pid, os.getpid(), os.getppid()])
        found = [line.split() for line in lines if line.startswith("PTRACE")]
        assert [(each[1], each[2]) for each in found] == [("-1", "1")] * 3
    finally:
        other.kill()
        other.wait()


def test_no_socket_is_reached(trained, tmp_path):
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as tcp,
        closing(socket.socket(socket.AF_UNIX)) as unix,
        closing(socket.socket(socket.AF_UNIX)) as abstract,
    ):
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        name = f"assay-{os.getpid()}-{time.time_ns()}"
        abstract.bind("\0" + name)
        abstract.listen()
        port = tcp.getsockname()[1]
        _, lines = trained(hostile.SOCKETS, port=port, path=str(tmp_path / "s"), abstract=name)
    assert reached(lines) == []
    assert sum(line.startswith("REFUSED") for line in lines) == 4


def test_a_child_that_outlives_the_training_is_dead_when_the_task_goes_on(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("assay.training.job.JobFolder.remove", lambda self: kept.append(self.path))
    kept = []
    case, module = make_case(tmp_path)
    module.write_text(hostile.HEAD + hostile.OUTLIVES)
    train(case, files_of(module), folder=tmp_path / "job")
    heartbeat = kept[0] / "scratch" / "heartbeat"
    last = heartbeat.read_text()
    time.sleep(0.3)
    assert heartbeat.read_text() == last


def test_nothing_outside_the_scratch_folder_is_written(trained, tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    places = [f"{sys.prefix}/lib/hostile.pth", str(PACKAGE / "hostile.py"), str(tmp_path / "home" / "x"),
              str(tmp_path / "job" / "model" / "x"), str(tmp_path / "job" / "rows" / "x"),
              str(tmp_path / "job" / "made" / "x"), "/usr/lib/hostile"]  # fmt: skip
    _, lines = trained(hostile.WRITES, places=places)
    assert [line for line in reached(lines) if "/dev" not in line] == []
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_links_out_of_the_scratch_folder_are_not_followed(trained, secret):
    message = refusal(trained, hostile.LINKS, place=str(secret))
    assert SECRET not in message
    assert secret.read_text() == SECRET


def test_hard_links_into_the_scratch_folder_cannot_be_made(trained, secret):
    _, lines = trained(hostile.HARD_LINK, place=str(secret))
    assert reached(lines) == []


def test_an_onnx_file_with_external_data_is_refused(trained, secret):
    assert "keeps data outside the file" in refusal(trained, hostile.EXTERNAL, place=str(secret))


def test_a_decision_rule_that_the_policy_does_not_ask_for_is_refused(trained):
    assert "left a decision rule that the policy does not ask for" in refusal(trained, hostile.RULE)


def test_scores_that_are_not_those_of_the_held_out_rows_are_refused(trained):
    assert "scores of held-out rows differ" in refusal(trained, hostile.SCORES)


@pytest.mark.parametrize(
    ("source", "limits", "reason"),
    [
        (hostile.HUGE_FILE, {"file_gb": 0.01}, "File too large"),
        (hostile.MANY_FILES, {"scratch_gb": 0.05}, "wrote more than 51.2 MiB to its scratch folder"),
        (hostile.HANG, {"minutes": 0.1}, "ran longer than 6 seconds"),
        (hostile.BURN, {"cpu_minutes": 0.1}, "processor time"),
        (hostile.MEMORY, {"memory_gb": 0.7}, "memory"),
        (hostile.MEMORY_OF_MANY, {"memory_gb": 0.9}, "used more than 921.6 MiB of memory"),
        (hostile.FORK_BOMB, {"processes": 20}, "ran more than 20 processes at once"),
        (hostile.EXITS, {}, "ended with exit code 0 before its work was done"),
        (hostile.TALKS, {}, "train"),
        (hostile.FLOODS, {"minutes": 1}, "train"),
    ],
    ids=[
        "huge-file",
        "many-files",
        "hang",
        "burn",
        "memory",
        "memory-of-many",
        "fork-bomb",
        "exits",
        "talks",
        "floods",
    ],
)
def test_what_uses_too_much_or_talks_out_of_turn_is_ended_with_a_reason(trained, source, limits, reason):
    assert reason in refusal(trained, source, limits=limits)


def test_no_signal_reaches_another_process(trained):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        trained(hostile.SIGNALS, pids=[other.pid])
        assert other.poll() is None
    except UserError:  # it may have ended itself
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
