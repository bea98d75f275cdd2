"""A replay makes every verdict again from the dossier alone, by the code of the time, and finds what was not so."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pipeline.support import CHAIN, POLICY, TRAIN, make_folder, make_run, walk

from assay.core import AssayError, Check, Judgement, Outcome, Stopwatch, Subject, UserError, bind
from assay.evidence.archive_files import archived_code, code_archive, environment, recorded_version
from assay.evidence.judging import GATES, judge_gate
from assay.evidence.opening import archive
from assay.evidence.replay import replay
from assay.pipeline import gating, requests
from assay.pipeline import run as pipeline_run
from assay.policy import code_files, file_digests
from assay.registry.artifacts import TamperedError
from assay.registry.dossier import EvidenceError

pytestmark = pytest.mark.stack
RIVAL = {
    **POLICY["gates"],
    "performance": {**POLICY["gates"]["performance"], "champion": [{"metric": "auc", "margin": 0.5}]},
}


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("replay")
    return replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """A registered version; tests only read it."""
    run = make_run(settings, make_folder(tmp_path_factory.mktemp("finished"), gates=RIVAL))
    walk(run)
    return run


def again(run, **asked):
    return replay(archive(run.settings), run.folder.policy.model, replace(run).version, **asked)


def test_every_verdict_comes_out_as_recorded_and_so_does_the_model(finished):
    told = []
    found = again(finished, retrain=True, progress=told.append)
    assert found.agrees
    assert [gate.gate for gate in found.gates] == list(GATES)
    recorded = {verdict.gate: verdict for verdict in replace(finished).dossier.verdicts()}
    for gate in found.gates:
        assert (gate.digest, gate.recorded) == (recorded[gate.gate].digest, recorded[gate.gate].outcome)
        assert (gate.replayed, gate.differences) == (gate.recorded, ())
        assert gate.checks == len(recorded[gate.gate].checks) > 0
    assert found.retrained.recorded == found.retrained.retrained == finished.candidate.digest
    assert (found.archived, found.libraries, found.unreplayed) == (False, (), ())
    assert found.to_dict()["agrees"] is True
    assert told == [
        "reading the dossier",
        "fetching what the dossier names",
        *(f"judging {gate} again" for gate in GATES),
        "training again",
    ]


def test_nothing_but_the_dossier_is_asked(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run)
    for file in run.folder.path.iterdir():
        file.unlink()
    assert again(run, retrain=True).agrees


def test_the_champion_of_the_time_is_taken_from_its_own_dossier(finished, monkeypatch):
    folder = finished.folder.path
    (folder / "train.py").write_text(TRAIN.replace("**parameters", "C=0.001"))
    second = make_run(finished.settings, folder, run_key=finished.run_key + "second")
    monkeypatch.setattr(gating, "_champion", lambda _: (1, finished.onnx))
    walk(second)
    found = again(second, gates=["performance"])
    assert (found.version, found.agrees) == (2, True)
    assert [(gate.gate, gate.checks) for gate in found.gates] == [("performance", 2)]
    _, against = replace(second).dossier.verdicts()[1].checks
    record = stored(second, f"{finished.dossier.run_id}/artifacts/dossier/0001-*.json")
    whole = record.read_bytes()
    spoil(record)
    with pytest.raises(EvidenceError, match=r"version 1, the champion of the time: dossier/0001-request-.*\.json"):
        again(second)
    record.write_bytes(whole)
    assert against.estimate != 0
    assert list(against.groups)[1] == {"version": "1"}


def shifted(case, gate):
    """A gate that records another estimate than it measured."""
    judgement = judge_gate(case, gate)
    if gate != "performance":
        return judgement
    (check,) = judgement.checks
    return replace(judgement, checks=[replace(check, estimate=check.estimate + 0.001)])


def test_an_estimate_that_was_never_measured_is_found(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path))
    monkeypatch.setattr(gating, "judge_gate", shifted)
    walk(run)
    monkeypatch.undo()
    found = again(run)
    assert not found.agrees
    told = [line for gate in found.gates for line in gate.differences]
    was = replace(run).dossier.verdicts()[1].checks[0].estimate
    assert told == [f"performance/auc: estimate recorded {was:.6g}, replayed {was - 0.001:.6g}"]
    assert again(run, gates=["contract", "fairness"]).agrees


# An Assay whose performance gate draws with another seed, and that meets no secret of the installation's.
OTHER_SEED = {
    "assay/evidence/judging.py": lambda text: (
        text.replace("policy=policy,\n        seed=case.seed,", "policy=policy,\n        seed=case.seed + 1,", 1)
        + "\nimport os\nassert not [name for name in os.environ if name.startswith('ASSAY_')]\n"
    )
}
NEEDS_OLD_LIBRARIES = {"assay/core/judge.py": lambda text: "import numpy_of_the_time\n" + text}


def older_code(edits):
    edited = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code_archive())) as source, zipfile.ZipFile(edited, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, edits[name](text.decode()) if name in edits else text)
    return edited.getvalue()


def as_older(case, gate):
    return judge_gate(replace(case, seed=case.seed + 1) if gate == "performance" else case, gate)


def under_older_code(settings, root, monkeypatch, edits=OTHER_SEED, content=None):
    run = make_run(settings, make_folder(root))
    old = older_code(edits)
    version = recorded_version(archived_code(old), {"model_files": file_digests(code_files(run.model_files))})
    with monkeypatch.context() as patched:
        patched.setattr(pipeline_run, "code_version", lambda _: version)
        patched.setattr(requests, "code_archive", lambda: content or old)
        patched.setattr(requests, "archived_code", lambda _: archived_code(old))  # as a writer who did not look
        patched.setattr(gating, "judge_gate", as_older)
        walk(run)
    return run, version


def test_a_run_of_an_older_assay_is_judged_again_by_that_assay(settings, tmp_path, monkeypatch):
    run, version = under_older_code(settings, tmp_path, monkeypatch)
    monkeypatch.setenv("ASSAY_GATEWAY_TOKEN", "secret")
    found = again(run, retrain=True)
    assert (found.archived, found.code_version) == (True, version)
    assert [line for gate in found.gates for line in gate.differences] == []
    assert found.agrees
    own = judge_gate(replace(run.case, onnx=run.onnx), "performance")
    assert own.checks[0].interval != replace(run).dossier.verdicts()[1].checks[0].interval


def test_code_that_no_longer_runs_is_told_with_its_reason(settings, tmp_path, monkeypatch):
    run, _ = under_older_code(settings, tmp_path, monkeypatch, NEEDS_OLD_LIBRARIES)
    with pytest.raises(AssayError, match="does not run with the libraries of today") as raised:
        again(run)
    assert str(raised.value).endswith("ModuleNotFoundError: No module named 'numpy_of_the_time'")


def test_code_that_is_not_what_the_request_names_is_not_run(settings, tmp_path, monkeypatch):
    run, _ = under_older_code(settings, tmp_path, monkeypatch, content=b"PK no archive")
    with pytest.raises(EvidenceError, match=r"inputs/assay\.zip: is not the code that the request names"):
        again(run)


def test_a_training_that_depends_on_more_than_its_seed_is_found(settings, tmp_path):
    folder = make_folder(tmp_path)
    (folder / "train.py").write_text(
        "import secrets\n" + TRAIN.replace("**parameters", "C=1 + secrets.randbelow(2**40) / 2**40")
    )
    run = make_run(settings, folder)
    walk(run)
    found = again(run, retrain=True)
    assert not found.agrees
    assert found.retrained.recorded == run.candidate.digest != found.retrained.retrained
    walk(run, *CHAIN[2:])  # the task was cleared: other bytes, and so another version of the same dossier
    model = run.folder.policy.model
    for version, made in ((1, run.candidate.digest), (2, replace(run).candidate.digest)):
        found = replay(archive(settings), model, version)
        assert found.agrees
        about = [each for each in run.dossier.verdicts() if each.model in (None, made)]
        assert [gate.digest for gate in found.gates] == [each.digest for each in about]


def test_other_libraries_are_told(settings, tmp_path, monkeypatch):
    run = make_run(settings, make_folder(tmp_path))
    monkeypatch.setattr(requests, "environment", lambda: {**environment(), "numpy": "1.0"})
    walk(run)
    monkeypatch.undo()
    assert again(run, gates=["contract"]).libraries == (f"numpy: recorded 1.0, here {environment()['numpy']}",)


def test_an_answer_of_a_person_is_not_replayed_and_that_is_said(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run)
    said = Judgement(outcome=Outcome.PASS, checks=[Check(name="approval", outcome=Outcome.PASS, reason="yes")])
    subject = Subject(model=run.candidate.digest, policy_sha256=None, snapshot=None, code_version="")
    replace(run).dossier.append(bind("approval", said, subject, Stopwatch()))
    found = again(run, gates=["contract"])
    assert found.unreplayed == ("approval: rests on a person's answer",)
    assert found.agrees


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        (["performence"], 'performence: no verdict of such a gate (did you mean "performance"?)'),
        (["approval"], "approval: is not judged again: it rests on a person's answer"),
    ],
)
def test_a_gate_that_there_is_not_is_told(finished, gates, told):
    with pytest.raises(UserError) as raised:
        again(finished, gates=gates)
    assert told in str(raised.value)


def test_a_version_or_model_that_there_is_not_is_told(finished):
    model = finished.folder.policy.model
    with pytest.raises(UserError, match="no such version"):
        replay(archive(finished.settings), model, 99)
    with pytest.raises(UserError, match="no version of this model is registered"):
        replay(archive(finished.settings), "no_such_model", 1)


def spoil(file, how=lambda content: content + b" "):
    file.write_bytes(how(file.read_bytes()))


def stored(run, pattern):
    (found,) = (run.settings.home / "artifacts").rglob(pattern)
    return found


def test_whatever_was_changed_since_is_refused(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run)
    run_id, model = run.dossier.run_id, run.folder.policy.model

    def artifact(name):
        return stored(run, f"{run_id}/artifacts/{name}")

    policy = artifact("inputs/policy.yaml")
    whole = policy.read_bytes()
    spoil(policy)
    with pytest.raises(TamperedError, match=r"inputs/policy\.yaml"):
        again(run)
    policy.write_bytes(whole)

    snapshot = Path(run.settings.snapshots) / model
    manifest = next((snapshot / "manifests").glob("*.json"))
    whole = manifest.read_bytes()
    spoil(manifest)
    with pytest.raises(EvidenceError, match="its manifest is not the one that was recorded"):
        again(run)
    manifest.write_bytes(whole)

    onnx = stored(run, f"{run.candidate.model_id}/artifacts/model.onnx")
    whole = onnx.read_bytes()
    spoil(onnx)
    with pytest.raises(TamperedError, match=r"model\.onnx"):
        again(run)
    onnx.write_bytes(whole)
    assert again(run, gates=["contract"]).agrees

    (record,) = artifact("dossier").glob("*-performance-*.json")
    spoil(record, lambda content: content.replace(b'"outcome":"PASS"', b'"outcome":"FAIL"', 1))
    with pytest.raises(EvidenceError, match="was changed after it was written"):
        again(run)


def test_data_that_are_gone_are_told(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run, *CHAIN)
    next((Path(run.settings.snapshots) / run.folder.policy.model).rglob("*.parquet")).unlink()
    with pytest.raises(EvidenceError, match=r"snapshot .*: is missing"):
        again(run)
