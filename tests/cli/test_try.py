"""`assay try` as a stranger runs it: real boxes, a home and a temporary folder of its own, any working directory."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import jsonschema
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import yaml
from tests.cli.gate_support import SCHEMA
from tests.pipeline.support import POLICY, STRICT, TRAIN, data, make_folder
from tests.pipeline.unfair import unfair_folder
from typer.testing import CliRunner

from assay.cli import app
from assay.core import Verdict
from assay.isolation import LEVELS

# In a process of its own where home, signals or what is left behind matter; else in this one, which is faster.
pytestmark = [pytest.mark.boxed]

_PATIENCE = 240.0  # seconds for a loaded machine; a free one needs ten
KEYS = ["isolation", "onnx_sha256", "outcome", "gates", "seconds"]
PLAIN = ["snapshot", "data_validation", "training", "performance_gate", "fairness_gate", "robustness_gate"]


class Desk:
    """A home, a temporary folder and a working directory that nobody else writes to."""

    def __init__(self, root):
        self.home, self.temporary, self.cwd = (root / name for name in ("home", "temporary", "cwd"))
        for folder in (self.home, self.temporary, self.cwd):
            folder.mkdir()

    def start(self, *arguments):
        inherited = {name: each for name, each in os.environ.items() if not name.startswith(("ASSAY_", "MLFLOW_"))}
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "assay", "try", *map(str, arguments)],
            cwd=self.cwd,
            env={**inherited, "HOME": str(self.home), "TMPDIR": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **environment):
        """Exit code, standard output and standard error, of the command in this process."""
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(self.cwd)
            patched.setattr(tempfile, "tempdir", None)
            for name, value in {"HOME": self.home, "TMPDIR": self.temporary, **environment}.items():
                patched.setenv(name, str(value))
            done = CliRunner().invoke(app, ["try", *map(str, arguments)])
        assert isinstance(done.exception, SystemExit | None), done.exception
        return done.exit_code, done.stdout, done.stderr

    @property
    def left(self):
        """Every file beside the working directory's, and what is in that."""
        beside = [str(each) for folder in (self.home, self.temporary) for each in folder.rglob("*")]
        return beside + sorted(str(each.relative_to(self.cwd)) for each in self.cwd.rglob("*") if each.is_file())

    @property
    def processes(self):
        """What still runs with this temporary folder."""
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [each] if str(self.temporary).encode() in each.read_bytes() else []
            except OSError:
                continue
        return found


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def named(folder, name):
    return folder.rename(folder.with_name(name))


def files(folder):
    return {each.relative_to(folder): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def checked(found):
    """The result, every verdict of it valid."""
    assert list(found) == KEYS
    assert found["isolation"] in LEVELS
    for each in found["gates"].values():
        jsonschema.validate(each, SCHEMA)
        assert Verdict.from_dict(each).to_dict() == each
    return found


def outcomes(found):
    return {name: each["outcome"] for name, each in found["gates"].items()}


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """A fair model tried once, from a folder of another name: desk, folder, its files before, and what was said."""
    root = tmp_path_factory.mktemp("passed")
    desk, folder = Desk(root), named(make_folder(root / "checkout"), "work tree")
    before = files(folder)
    started = desk.start(folder, "--json", "out.json", "--html", "pages", "--seed", "1")
    out, err = started.communicate()
    return desk, folder, before, (started.returncode, out, err)


def test_a_good_model_passes_and_the_result_says_all(passed):
    desk, folder, _, (code, out, err) = passed
    assert (code, err) == (0, "")
    found = checked(json.loads((desk.cwd / "out.json").read_text()))
    assert found["outcome"] == "PASS"
    assert outcomes(found) == dict.fromkeys(("contract", "performance", "fairness", "robustness"), "PASS")
    assert list(found["seconds"]) == PLAIN
    assert found["gates"]["contract"]["model"] is None
    assert {found["gates"][each]["model"] for each in ("performance", "robustness")} == {found["onnx_sha256"]}
    for said in ("Nothing was recorded and no error budget was spent", "A real run judges more strictly",
                 "isolation " + found["isolation"], "training: done", "robustness_gate: PASS",
                 "the folder is not called toy_"):  # fmt: skip
        assert said in " ".join(out.split())
    assert folder.name not in str(found)


def test_nothing_is_written_but_what_was_asked_for(passed):
    desk, folder, before, _ = passed
    pages = [f"pages/{gate}.html" for gate in ("contract", "fairness", "performance", "robustness")]
    assert desk.left == ["out.json", *pages]
    assert files(folder) == before
    assert "fairness" in (desk.cwd / pages[1]).read_text()
    assert desk.processes == []


def test_the_same_seed_gives_the_same_bytes_and_stale_pages_go(passed):
    desk, folder, _, _ = passed
    first = json.loads((desk.cwd / "out.json").read_text())
    stale = desk.cwd / "pages" / "fairness_as_trained.html"
    stale.write_text("of an earlier try")
    code, out, _ = desk.run(folder, "--json", "-", "--html", "pages", "--seed", "1")
    again = checked(json.loads(out))
    assert (code, again["onnx_sha256"]) == (0, first["onnx_sha256"])
    assert not stale.exists()


def test_an_unfair_model_is_mitigated_and_the_result_is_about_what_goes_on(desk, tmp_path):
    code, out, err = desk.run(unfair_folder(tmp_path / "models"), "--json", "-")
    found = checked(json.loads(out))
    assert code == 0
    assert outcomes(found) == {
        **dict.fromkeys(("contract", "performance", "fairness", "robustness"), "PASS"),
        "performance_as_trained": "PASS", "fairness_as_trained": "FAIL",
    }  # fmt: skip
    models = {name: each["model"] for name, each in found["gates"].items()}
    assert models["fairness"] == models["performance"] == models["robustness"] == found["onnx_sha256"]
    assert models["fairness_as_trained"] == models["performance_as_trained"] != found["onnx_sha256"]
    assert list(found["seconds"]) == [
        *PLAIN[:-1], "mitigation", "mitigated_performance_gate", "mitigated_fairness_gate", "robustness_gate",
    ]  # fmt: skip
    assert "selection_rate_difference" in err
    assert desk.left == []


def test_a_failed_gate_ends_the_run(desk, tmp_path):
    folder = make_folder(tmp_path / "models", gates={**POLICY["gates"], **STRICT})
    code, out, _ = desk.run(folder, "--json", "out.json")
    found = checked(json.loads((desk.cwd / "out.json").read_text()))
    assert code == 1
    assert (found["outcome"], outcomes(found)) == ("FAIL", {"contract": "PASS", "performance": "FAIL"})
    assert "auc" in out


BROKEN = {
    "raises": (TRAIN.replace("    columns =", "    print('so far')\n    raise ValueError('no luck')\n    columns ="),
               ("ValueError: no luck", "line 9", "train.py | so far")),
    "exits": (TRAIN.replace("    columns =", "    import os\n    os._exit(7)\n    columns ="), ("exit code 7",)),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_train_py_that_the_box_refuses_writes_nothing(desk, tmp_path, how):
    folder = make_folder(tmp_path / "models")
    source, said = BROKEN[how]
    (folder / "train.py").write_text(source)
    (desk.cwd / "out.json").write_text("of yesterday")
    code, out, err = desk.run(folder, "--json", "out.json", "--html", "pages")
    assert code == 2
    for each in said:
        assert each in " ".join((out + err).split())
    assert "Traceback" not in err
    assert (desk.left, (desk.cwd / "out.json").read_text()) == (["out.json"], "of yesterday")


def test_everything_that_cannot_be_used_is_said_at_once(desk, tmp_path):
    folder = make_folder(tmp_path / "models", owner="", risk_tier="lwo")
    (folder / "contract.json").write_text("{")
    (folder / "train.py").unlink()
    code, out, err = desk.run(folder, "--data", "rows.parquet", "--json", "none/out.json", "--html", "none/pages")
    assert (code, out) == (2, "")
    for said in ("risk_tier", "owner", "contract.json", "train.py: no such file", "rows.parquet: no such file",
                 "--json: there is no folder none", "--html: there is no folder"):  # fmt: skip
        assert said in err
    assert "Traceback" not in err
    assert desk.left == []


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: pq.write_table(data().slice(0, 0), path), "has no rows"),
        (lambda path: path.write_bytes(b"PAR1 and no more"), "cannot be read as Parquet"),
        (lambda path: pq.write_table(data().drop_columns(["word"]), path), "word"),
        (lambda path: path.unlink(), "no such file"),
    ],
    ids=["no rows", "not Parquet", "a column less", "missing"],
)
def test_data_that_cannot_be_used_write_nothing(desk, tmp_path, write, said):
    folder = make_folder(tmp_path / "models")
    write(folder / "data.parquet")
    code, _, err = desk.run(folder, "--json", "out.json")
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert desk.left == []


def test_a_folder_that_is_none_is_refused(desk):
    code, _, err = desk.run("nowhere", "--json", "-")
    assert code == 2
    assert "nowhere: is not a folder" in err


def test_other_data_take_the_place_of_the_source_and_stay_out_of_training(desk, tmp_path):
    folder = make_folder(tmp_path / "models")
    (folder / "data.parquet").unlink()
    listing = "    import os\n    print(sorted(os.listdir(os.path.dirname(__file__))))\n    columns ="
    (folder / "train.py").write_text(TRAIN.replace("    columns =", listing))
    rows = data()
    for number, part in enumerate((rows.slice(0, 700), rows.slice(700))):
        pc.write_csv(part, folder / f"part-{number}.csv")
    code, out, err = desk.run(folder, "--data", os.path.relpath(folder / "part-*.csv", desk.cwd), "--json", "out.json")
    assert code == 0, err
    assert "snapshot: done" in out
    assert "1,500 rows" in out
    assert "train.py | ['contract.json', 'policy.yaml', 'train.py']" in out


@pytest.mark.parametrize(("number", "ended"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_no_process_and_no_folder(desk, tmp_path, number, ended):
    folder = make_folder(tmp_path / "models")
    hang = "    import os, time\n    os.mkdir('closed', 0)\n    print('at work')\n    time.sleep(600)\n    columns ="
    (folder / "train.py").write_text(TRAIN.replace("    columns =", hang))
    started = desk.start(folder, "--json", "out.json", "--html", "pages")
    patience = threading.Timer(_PATIENCE, started.kill)
    patience.start()
    try:
        assert any("at work" in line for line in iter(started.stdout.readline, ""))
        assert desk.processes != []
        started.send_signal(number)
        _, err = started.communicate()
    finally:
        patience.cancel()
        started.kill()
    assert started.returncode == ended
    assert "interrupted" in err
    assert "Traceback" not in err
    assert (desk.left, desk.processes) == ([], [])


def test_the_help_teaches_by_examples(desk):
    code, out, _ = desk.run("--help")
    assert code == 0
    assert out.count("assay try ") >= 2
    assert "130" in out


def test_a_policy_of_the_high_tier_is_never_tried_without_a_box(desk, tmp_path):
    folder = make_folder(tmp_path / "models")
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    people = {"model_owners": ["ann"], "risk_officers": ["bob"]}
    (folder / "policy.yaml").write_text(yaml.safe_dump({**policy, "risk_tier": "high", "approval": people}))
    code, _, err = desk.run(folder, "--json", "-", ASSAY_ISOLATION="none")
    assert code == 2
    assert "risk tier high is never trained without isolation" in err
    assert desk.left == []
