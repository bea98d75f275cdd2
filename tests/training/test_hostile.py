"""A hostile `train.py` reaches nothing at any level of isolation that this machine has, and is refused clearly.

What holds of the box itself is tested in tests/isolation.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evidence.support import files_of, make_case
from tests.training import hostile

from assay.core import UserError
from assay.evidence.training import train
from assay.isolation import LEVELS, probe
from assay.isolation.platform_paths import PACKAGE
from assay.policy.models import TrainingLimits
from assay.training.relay import PRINTED

pytestmark = pytest.mark.boxed
WORKING = [level for level in LEVELS if level != "none" and not probe()[level]]
SECRET = "the-signing-key"
HONEST = "\ndef train(features, label, *, seed, parameters):\n    return honest(features, label)\n"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "keys" / "signing.pem"
    path.parent.mkdir()
    path.write_text(SECRET)
    return path


@pytest.fixture
def trained(tmp_path, monkeypatch, caplog):
    """Train by a source, and give what the code printed; `limits` narrows the policy's."""

    def run(source, *, limits=None, folder=tmp_path / "job", **known):
        case, module = make_case(tmp_path)
        text = source.format(**known) if known else source.replace("{{", "{").replace("}}", "}")
        module.write_text(hostile.HEAD + text)
        training = case.policy.training.model_copy(update={"limits": TrainingLimits(**(limits or {}))})
        case = replace(case, policy=case.policy.model_copy(update={"training": training}))
        caplog.set_level("INFO", logger="assay")
        try:
            return train(case, files_of(module), folder=folder), printed(caplog)
        finally:
            assert not folder.exists()

    monkeypatch.setenv("ASSAY_SIGNING_KEY", SECRET)
    return run


def printed(caplog):
    messages = [each.getMessage() for each in caplog.records if each.name == "assay.training.relay"]
    return [each.removeprefix(PRINTED) for each in messages if each.startswith(PRINTED)]


def refusal(trained, source, **given):
    with pytest.raises(UserError) as raised:
        trained(source, **given)
    return str(raised.value)


ENVIRONMENT = {
    "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PWD", "OMP_WAIT_POLICY", "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LD_LIBRARY_PATH",
    "PYTHONHASHSEED", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "JOBLIB_MULTIPROCESSING", "PYTHONPATH",
    "ORT_DISABLE_TELEMETRY",
}  # fmt: skip


@pytest.mark.parametrize("level", WORKING)
def test_nothing_of_the_platform_is_within_reach(trained, secret, tmp_path, monkeypatch, level):
    monkeypatch.setenv("ASSAY_ISOLATION", level)
    kept = []
    monkeypatch.setattr(
        "assay.training.job.JobFolder.remove", lambda self: kept.append(self.path.rename(tmp_path / "kept"))
    )
    (tmp_path / "home").mkdir(mode=0o700)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    name = f"assay-{os.getpid()}-{time.time_ns()}"
    written = [f"{sys.prefix}/lib/hostile.pth", str(PACKAGE / "hostile.py"), "/usr/lib/hostile"]
    written += [str(tmp_path / each) for each in ("home/x", "job/model/x", "job/rows/x", "job/made/x", "job/x")]
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as tcp,
        closing(socket.socket(socket.AF_UNIX)) as unix,
        closing(socket.socket(socket.AF_UNIX)) as abstract,
    ):
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        abstract.bind("\0" + name)
        abstract.listen()
        made, lines = trained(
            hostile.REACHES,
            places=[str(secret), f"/proc/{os.getpid()}/environ", f"/proc/{os.getppid()}/environ", "/etc/shadow",
                    f"/proc/1/root{secret}", f"/proc/self/root{secret}", str(tmp_path / "snapshots"),
                    str(PACKAGE.parent / "models/income/data/live.parquet")],
            pids=[other.pid, os.getpid(), os.getppid()],
            port=tcp.getsockname()[1], path=str(tmp_path / "s"), abstract=name,
            written=written,
        )  # fmt: skip
    assert other.poll() is None
    other.kill()
    other.wait()
    parts = by_part(lines)
    assert made.isolation == level
    assert {line.split()[1] for line in parts["secrets"] if line.startswith("ENVIRONMENT")} <= ENVIRONMENT
    reached = [line for line in parts["secrets"] if line.startswith("REACHED") and line != "REACHED []"]
    assert not [line for line in reached if SECRET in line or "PAR1" in line or "root:" in line or "signing" in line]
    ends = [line.split()[1:] for line in parts["processes"] if line.startswith(("PROCESSES", "PTRACE"))]
    assert ends == [[], *[["-1", "1"]] * 3]
    for part in ("processes", "sockets"):
        assert [line for line in parts[part] if line.startswith("REACHED") and line != "REACHED None"] == [], part
    # in namespaces a box has a /tmp of its own, so what it wrote is looked for where it would do harm
    assert [path for path in written if Path(path.replace(str(tmp_path / "job"), str(kept[0]))).exists()] == []
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "home").iterdir()) == []
    assert made.holdout_rows not in {int(line.split()[1]) for line in parts["rows"] if line.startswith("TABLE")}
    assert not [line for line in parts["rows"] if line.startswith("FILE") and ("held_out" in line or "valida" in line)]
    heartbeat = kept[0] / "scratch" / "heartbeat"
    last = heartbeat.read_text()
    time.sleep(0.3)
    assert heartbeat.read_text() == last


def by_part(lines):
    parts = {}
    for line in lines:
        if line.startswith("PART "):
            parts[line.split()[1]] = []
        elif parts:
            parts[list(parts)[-1]].append(line)
    assert set(parts) == {"secrets", "processes", "sockets", "writes", "rows", "outlive"}
    return parts


def test_a_payload_outside_the_folder_is_not_run(trained, tmp_path):
    payload = tmp_path / "payload.py"
    payload.write_text("print('REACHED payload')\n")
    assert "payload.py" in refusal(trained, hostile.PAYLOAD, place=str(payload))


def test_links_out_of_the_scratch_folder_are_not_followed(trained, secret):
    message = refusal(trained, hostile.LINKS, place=str(secret))
    assert SECRET not in message
    assert secret.read_text() == SECRET


def test_an_onnx_file_with_external_data_is_refused(trained, secret):
    assert "keeps data outside the file" in refusal(trained, hostile.EXTERNAL, place=str(secret))


def test_a_decision_rule_that_the_policy_does_not_ask_for_is_refused(trained):
    assert "left a decision rule that the policy does not ask for" in refusal(trained, hostile.RULE)


def test_scores_that_are_not_those_of_the_held_out_rows_are_refused(trained):
    assert "scores of held-out rows differ" in refusal(trained, hostile.SCORES)


@pytest.mark.parametrize("form", hostile.ODD_FILES)
def test_what_is_no_file_is_not_taken(trained, form):
    assert "left " in refusal(trained, hostile.ODD_FILE, odd=hostile.ODD_FILES[form], limits={"file_gb": 1024})


@pytest.mark.parametrize(
    "result",
    [
        "'[' * 100_000",
        "'{\"threshold\": 0.5, \"by_group\": null, \"facts\": {\"gap\": ' + '[' * 500 + ']' * 500 + '}}'",
    ],
    ids=["torn", "deep"],
)
def test_a_result_that_nobody_could_show_is_refused(trained, result):
    assert "not in the agreed form" in refusal(trained, hostile.RESULT, result=result)


def test_a_deep_answer_is_refused(trained):
    assert "does not answer in the agreed form" in refusal(trained, hostile.ANSWER, answer="'[' * 60_000")


GRAPHS = {
    "fills memory": (
        "nodes = [helper.make_node('Shape', ['x'], ['s']), helper.make_node('Mul', ['s', 'huge'], ['t']),\n"
        "             helper.make_node('ConstantOfShape', ['t'], ['probabilities']),\n"
        "             helper.make_node('Shape', ['x'], ['label'])]\n"
        "    constants = [take(np.array([10**7, 10**7], np.int64), 'huge')]",
        "graph()",
        ("cannot score rows", "trying model.onnx used more than 1 GiB of memory"),
    ),
    "answers for other rows": (
        "nodes = [helper.make_node('Expand', ['x', 'two'], ['p']), helper.make_node('Concat', ['p', 'p'], "
        "['probabilities'], axis=0), helper.make_node('Shape', ['x'], ['label'])]\n    constants = [two]",
        "graph()",
        ("does not answer with the probabilities of two classes for each row",),
    ),
    "swells": ("nodes, constants = [], []", "b'\\x3a\\x80\\x80\\x80\\x10' + b'\\x0a\\x00' * 2**24", "model.onnx"),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_that_costs_too_much_ends_a_box_and_no_task(trained, kind):
    graph, content, reasons = GRAPHS[kind]
    said = refusal(trained, hostile.GRAPH, graph=graph, content=content, limits={"memory_gb": 1})
    assert any(reason in said for reason in reasons), said


@pytest.mark.parametrize(
    ("source", "limits", "reason"),
    [
        (hostile.HUGE_FILE, {"file_gb": 0.01}, "File too large"),
        (hostile.MEMORY, {"memory_gb": 0.7}, "memory"),
        (hostile.EXITS, {}, "ended with exit code 0 before its work was done"),
        (hostile.TALKS, {}, "train"),
        (hostile.FLOODS, {"minutes": 1}, "train"),
    ],
    ids=["huge-file", "memory", "exits", "talks", "floods"],
)
def test_what_uses_too_much_or_talks_out_of_turn_is_ended_with_a_reason(trained, source, limits, reason):
    assert reason in refusal(trained, source, limits=limits)
