"""A version's evidence is put to the test from the command line."""

import json
from dataclasses import replace

import pytest
from tests.evidence.support import point_at
from tests.pipeline.conftest import NOISE
from tests.pipeline.support import make_folder, make_run, walk
from typer.testing import CliRunner

from assay.cli import app
from assay.evidence.judging import judge_gate
from assay.pipeline import gating

pytestmark = [pytest.mark.stack, *(pytest.mark.filterwarnings(each) for each in NOISE)]


def shifted(case, gate):
    """A fairness gate that records a support that it never had."""
    judgement = judge_gate(case, gate)
    if gate != "fairness":
        return judgement
    (check,) = judgement.checks
    return replace(judgement, checks=[replace(check, support=check.support + 1)])


@pytest.fixture(scope="module")
def run(mlflow_server, tmp_path_factory):
    """A version whose fairness gate recorded what it had not measured."""
    home = tmp_path_factory.mktemp("replayed")
    settings = replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")
    begun = make_run(settings, make_folder(home / "models"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gating, "judge_gate", shifted)
        walk(begun)
    return begun


@pytest.fixture
def replay(run, monkeypatch):
    point_at(monkeypatch, run.settings)

    def invoke(*more, model=run.folder.policy.model, version="1"):
        return CliRunner().invoke(app, ["dossier", "replay", model, version, *more])

    return invoke


def test_a_replay_that_agrees_says_so_and_ends_with_0(replay, run):
    ran = replay("--gate", "performance", "--gate", "contract", "--retrain")
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0] == f"{run.folder.policy.model} version 1, dossier {replace(run).dossier.run_id}"
    assert lines[2].startswith("contract: agrees, PASS, 11 checks, verdict ")
    assert lines[3].startswith("performance: agrees, PASS, 1 checks, verdict ")
    assert lines[4] == f"training: agrees, ONNX {run.candidate.digest[:16]}"
    assert lines[-1] == "Everything agrees."


def test_a_difference_is_shown_field_by_field_and_ends_with_1(replay, run):
    ran = replay()
    assert ran.exit_code == 1
    support = replace(run).dossier.verdicts()[2].checks[0].support
    told = f"  fairness/tpr_difference/sex: support recorded {support}, replayed {support - 1}"
    assert told in ran.stdout.splitlines()
    assert ran.stdout.splitlines()[-1] == "Not everything agrees."


def test_the_json_says_the_same(replay):
    ran = replay("--json", "--gate", "fairness")
    found = json.loads(ran.stdout)
    assert (ran.exit_code, found["agrees"], len(found["gates"][0]["differences"])) == (1, False, 1)


@pytest.mark.parametrize(
    ("more", "changed", "told"),
    [
        (["--gate", "fairnes"], {}, 'fairnes: no verdict of such a gate (did you mean "fairness"?)'),
        ([], {"version": "7"}, "no such version (known: 1)"),
        ([], {"model": "unheard_of"}, "no version of this model is registered"),
    ],
)
def test_what_there_is_not_ends_with_2_and_what_there_is(replay, more, changed, told):
    ran = replay(*more, **changed)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in " ".join(ran.stderr.split())


def test_evidence_that_was_changed_ends_with_1_and_the_file_s_name(replay, run):
    (record,) = (run.settings.home / "artifacts").rglob(f"{run.dossier.run_id}/artifacts/dossier/*-contract-*.json")
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"seconds":', b'"seconds":1', 1))
    ran = replay()
    record.write_bytes(whole)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert record.name in ran.stderr
    assert replay("--gate", "contract").exit_code == 0
