"""A backtest says what the past would have been under another policy, and where it cannot know; it changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.pipeline.support import CHAIN, POLICY, make_folder, make_run, walk

from assay.core import Outcome, UserError
from assay.evidence import backtest as module
from assay.evidence.backtest import backtest
from assay.evidence.judging import GATES, judge_gate
from assay.evidence.opening import archive, rollouts
from assay.evidence.rejudge import judge
from assay.evidence.waivers import Waiver, waiver_event
from assay.pipeline.run import GateFailed
from assay.policy import Rollout, load_folder
from assay.rollout.anchors import AnchorTable
from assay.rollout.records import ModelRef

pytestmark = pytest.mark.stack
STRICT = {"draws": 100, "checks": [{"metric": "auc", "min": 0.999}]}


def policy_of(run, gates=None, **parts):
    """The run's policy with parts, or parts of its gates, replaced; as the bytes of a file."""
    raw = yaml.safe_load(run.folder.policy_bytes)
    return yaml.safe_dump({**raw, **parts, "gates": {**raw["gates"], **(gates or {})}}).encode()


def look(run, gates=None, **parts):
    content = policy_of(run, gates, **parts)
    return backtest(run.settings, run.folder.policy.model, content, subject="new.yaml")


def outcomes(found):
    return [{gate.gate: (gate.was, gate.would, gate.source) for gate in run.gates} for run in found.runs]


@pytest.fixture(scope="module")
def settings(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("backtest")
    return replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")


@pytest.fixture(scope="module")
def past(settings, tmp_path_factory):
    """Version 1, which then became champion, and a later run that its own policy stopped."""
    folder = make_folder(tmp_path_factory.mktemp("past"))
    first = make_run(settings, folder)
    walk(first)
    crown(first)
    (folder / "policy.yaml").write_bytes(policy_of(first, {"performance": STRICT}))
    second = make_run(settings, folder, run_key=first.run_key + "second", seed=5)
    walk(second, *CHAIN[:3])
    with pytest.raises(GateFailed):
        walk(second, "performance_gate")
    return first, second


def crown(run):
    book, model = rollouts(run.settings), run.folder.policy.model
    candidate = replace(run).candidate
    ref = ModelRef(model=model, version=1, digest=candidate.digest, path=candidate.path, entity_column="id")
    row = book.begin(ref=ref, run_key=run.run_key, policy=Rollout(stages=[100], max_brier=0.5))
    row = book.advance(row.id, row.epoch)
    book.promote(row.id, row.epoch)


def test_the_own_policy_gives_the_past_itself(past):
    first, _ = past
    found = look(first)
    one, other = found.runs
    assert (one.run_key, one.version) == (first.run_key, 1)
    assert (one.was, one.would) == (Outcome.PASS, Outcome.PASS)
    assert outcomes(found)[0] == dict.fromkeys(GATES, (Outcome.PASS, Outcome.PASS, "stored"))
    assert (other.run_key, other.version) == (first.run_key + "second", None)


def test_who_would_be_let_through_is_told_for_each_run(past):
    first, _ = past

    def ways(found):
        return [(run.was_let_through, run.would_be_let_through) for run in found.runs]

    assert ways(look(first)) == [(True, True), (False, True)]
    assert ways(look(first, {"performance": STRICT})) == [(True, False), (False, False)]


def test_an_inconclusive_that_goes_to_a_person_is_let_through(settings, tmp_path):
    doubtful = {**POLICY["gates"]["fairness"], "min_group_size": 100_000}
    reviewed = {**POLICY["gates"], "fairness": {**doubtful, "on_inconclusive": "review"}}
    run = make_run(settings, make_folder(tmp_path, gates=reviewed))
    walk(run)
    (same,) = look(run).runs
    assert (same.was, same.would) == (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE)
    assert (same.was_let_through, same.would_be_let_through) == (True, True)
    (blocked,) = look(run, {"fairness": doubtful}).runs
    assert (blocked.would, blocked.would_be_let_through) == (Outcome.INCONCLUSIVE, False)


def test_what_a_waiver_of_the_time_covers_is_let_through(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path, gates={**POLICY["gates"], "performance": STRICT}))
    walk(run, *CHAIN[:3])
    with pytest.raises(GateFailed):
        walk(run, "performance_gate")
    dossier = replace(run).dossier
    verdict = dossier.verdicts()[-1]
    waiver = Waiver(
        model=run.folder.policy.model, gate="performance", check="auc", attribute=None, reason="a pilot",
        owner="reviewer", made_at="2026-01-01T00:00:00Z", expires="2026-02-01",
    )  # fmt: skip
    dossier.record(waiver_event(verdict, verdict.checks[0], waiver, by=run.run_key))
    performance = look(run).runs[0].gates[1]
    assert (performance.would, performance.lets_through) == (Outcome.FAIL, True)
    both = {"draws": 100, "checks": [{"metric": "auc", "min": 0.999}, {"metric": "brier", "max": 0.001}]}
    performance = look(run, {"performance": both}).runs[0].gates[1]
    assert (performance.would, performance.lets_through) == (Outcome.FAIL, False)


def test_a_limit_is_tried_on_stored_numbers_alone(past, monkeypatch):
    first, _ = past
    measured = []
    monkeypatch.setattr(module, "judge", lambda case, gate, about: measured.append(gate) or judge(case, gate, about))
    found = look(first, {"performance": STRICT})
    assert measured == ["fairness", "robustness"]  # of the run that had been stopped before them
    for run in found.runs:
        (performance,) = [gate for gate in run.gates if gate.gate == "performance"]
        assert (performance.would, performance.source) == (Outcome.FAIL, "stored")
        assert run.would is Outcome.FAIL
    (line,) = found.runs[0].gates[1].deciding
    assert line.startswith("performance/auc: PASS -> FAIL: 0.9")


def test_a_run_that_was_stopped_is_measured_where_it_had_not_been(past):
    first, second = past
    found = look(first).runs[1]
    assert (found.was, found.would) == (Outcome.FAIL, Outcome.PASS)
    sources = {gate.gate: (gate.was, gate.source) for gate in found.gates}
    assert sources == {
        "contract": (Outcome.PASS, "stored"),
        "performance": (Outcome.FAIL, "stored"),
        "fairness": (None, "replayed"),
        "robustness": (None, "replayed"),
    }
    measured = judge_gate(replace(second.case, onnx=replace(second).onnx), "fairness")
    assert found.gates[2].would is measured.outcome


def test_a_metric_that_was_not_measured_is_measured_now(past):
    first, _ = past
    asked = {"draws": 100, "checks": [{"metric": "brier", "max": 0.001}]}
    found = look(first, {"performance": asked})
    policy = load_folder(first.folder.path).policy
    new = policy.model_copy(
        update={"gates": policy.gates.model_copy(update={"performance": type(policy.gates.performance)(**asked)})}
    )
    for run, source in zip(found.runs, past, strict=True):
        performance = run.gates[1]
        attempt = replace(source).attempt("performance")  # what a gate once counted counts for ever
        case = replace(source.case, onnx=replace(source).onnx, policy=new, attempts={"performance": attempt})
        (check,) = judge_gate(case, "performance").checks
        assert (performance.would, performance.source) == (check.outcome, "replayed") == (Outcome.FAIL, "replayed")
        assert performance.deciding == (
            f"performance/brier: not asked -> FAIL: {check.reason}",
            f"performance/auc: {performance.was} -> no longer asked",
        )


def test_stored_and_measured_again_agree(past, monkeypatch):
    first, _ = past
    gates = {
        "performance": {"draws": 100, "checks": [{"metric": "auc", "min": 0.97}]},
        "fairness": {**POLICY["gates"]["fairness"], "checks": [{"metric": "tpr", "max": 0.05}]},
        "robustness": {
            "draws": 100,
            "checks": [{"scenario": "unknown_category", "share": 0.1, "metric": "auc", "max_drop": 0.01}],
        },
    }
    stored = look(first, gates).runs[0]
    monkeypatch.setattr(module, "restate", lambda *_: None)
    measured = look(first, gates).runs[0]
    # whether the groups are large enough is the contract's to measure, and they are to be told apart more finely now
    assert [gate.source for gate in stored.gates] == ["replayed", "stored", "stored", "stored"]
    assert {gate.source for gate in measured.gates} == {"replayed"}
    assert [replace(gate, source="") for gate in stored.gates] == [replace(gate, source="") for gate in measured.gates]
    assert {gate.would for gate in stored.gates} > {Outcome.PASS}


def test_a_comparison_is_made_with_whoever_served_then(past):
    first, _ = past
    asked = {**POLICY["gates"]["performance"], "champion": [{"metric": "auc", "margin": 0.5}]}
    before, after = look(first, {"performance": asked}).runs
    assert [line.split(":")[0] for line in before.gates[1].deciding] == ["performance/auc"]
    assert "performance/auc_vs_champion: not asked -> PASS" in " ".join(after.gates[1].deciding)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"holdout": 0.4}, "the new policy holds out rows that this model was trained on"),
        ({"key": "x", "features": ["word"]}, "the new policy holds out rows that this model was trained on"),
        ({"positive": "no"}, "the new policy predicts something else than this model does"),
        ({"sensitive": ["age"]}, "age: no such column"),
    ],
)
def test_what_no_past_model_can_show_is_unknown_and_never_a_pass(past, changed, told):
    first, _ = past
    fairness = {**POLICY["gates"]["fairness"], "groups": changed.get("sensitive", ["sex"])}
    found = look(first, {"fairness": fairness}, data={**POLICY["data"], **changed})
    for run in found.runs:
        assert run.would == "UNKNOWN"
        assert run.would_be_let_through is None
        assert run.gates[0].would == ("UNKNOWN" if "sensitive" in changed else Outcome.PASS)
        assert (run.gates[2].would, run.gates[2].source) == ("UNKNOWN", "unknown")
        assert told in run.gates[2].reason


def test_a_smaller_holdout_is_measured(past):
    found = look(past[0], data={**POLICY["data"], "holdout": 0.2})
    assert [gate.source for gate in found.runs[0].gates] == ["stored", "replayed", "replayed", "replayed"]
    assert found.runs[0].would is Outcome.PASS


def test_what_only_training_could_show_is_noted(past):
    found = look(past[0], training={"parameters": {"C": 2.0}, "threshold": 0.4})
    assert found.notes == (
        "the new policy changes training.parameters, training.threshold: past models are judged as they were made",
    )
    assert look(past[0]).notes == ()


def test_nothing_is_written(past):
    first, _ = past
    book = rollouts(first.settings)

    def everything():
        files = {path: path.stat().st_mtime_ns for path in (first.settings.home / "artifacts").rglob("*")}
        moves = len(book.history(first.folder.policy.model))
        return files, AnchorTable(book.engine).last(), moves, replace(first).dossier.tags()

    before = everything()
    look(first, {"performance": {"draws": 100, "checks": [{"metric": "ece", "max": 0.5}]}})
    assert everything() == before


def test_data_or_evidence_that_are_gone_leave_the_past_unknown(settings, tmp_path):
    run = make_run(settings, make_folder(tmp_path))
    walk(run)
    asked = {"performance": {"draws": 100, "checks": [{"metric": "brier", "max": 0.5}]}}
    next((Path(settings.snapshots) / run.folder.policy.model).rglob("*.parquet")).unlink()
    (found,) = look(run, asked).runs
    assert (found.was, found.would) == (Outcome.PASS, "UNKNOWN")
    assert [gate.source for gate in found.gates] == ["stored", "unknown", "stored", "stored"]
    assert "is missing" in found.gates[1].reason
    assert look(run).runs[0].would is Outcome.PASS  # the verdicts hold what the run's own limits ask for

    (settings.home / "artifacts").rglob(f"{run.dossier.run_id}/artifacts/dossier/0001-*").__next__().unlink()
    (lost,) = look(run).runs
    assert (lost.was, lost.would, lost.version, len(lost.gates)) == (None, "UNKNOWN", None, 4)
    assert (lost.was_let_through, lost.would_be_let_through) == (None, None)
    assert {gate.source for gate in lost.gates} == {"unknown"}
    assert "is missing" in lost.gates[0].reason


def test_mistakes_are_told(past):
    first, _ = past
    model = first.folder.policy.model
    with pytest.raises(UserError, match='is "other_model" in new'):
        look(first, model="other_model")
    with pytest.raises(UserError, match="must be a valid number"):
        look(first, {"performance": {"checks": [{"metric": "auc", "min": "high"}]}})
    with pytest.raises(UserError, match="no run of this model is recorded"):
        backtest(first.settings, "unheard_of", policy_of(first, model="unheard_of"), subject="new.yaml")
    assert archive(first.settings).versions(model) == [1]
