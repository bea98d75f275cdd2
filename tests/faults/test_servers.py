"""What breaks is a server, a disk or the clock: nothing moves that should not, and the next attempt is whole."""

import itertools
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from tests.conftest import running_mlflow
from tests.faults.conftest import losing_one_answer
from tests.pipeline.moving import good, passed, traffic
from tests.pipeline.support import approve, make_folder, make_run, train_by_hand, walk
from tests.registry.support import event, fresh_name, verdict

from assay.core import UnavailableError
from assay.evidence.opening import rollouts
from assay.pipeline import promotion, steps
from assay.registry import dossier as writing
from assay.registry import versions
from assay.registry.archive import Archive
from assay.registry.artifacts import TamperedError
from assay.registry.images import run_tags, version_tags
from assay.rollout import create_tables, open_database
from assay.rollout.anchors import AnchorTable

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),  # MLflow's own code
]


def judged(settings, root, seed=1):
    """A run that lacks only its registration."""
    run = make_run(settings, make_folder(root), seed=seed)
    walk(run, "snapshot")
    train_by_hand(run, bias=float(seed))
    for gate in ("contract", *steps.GATES):
        passed(replace(run), gate)
    return run


def aliases(run):
    live = replace(run).dossier.client.get_registered_model(run.folder.policy.model).aliases
    return {alias: int(version) for alias, version in live.items()}


def cut(run):
    """Half of the model's file is lost on the registry's disk."""
    stored = run.settings.home / "artifacts" / replace(run).candidate.path
    whole = stored.read_bytes()
    stored.write_bytes(whole[: len(whole) // 2])
    return lambda: stored.write_bytes(whole)


def test_a_file_cut_short_is_found_before_any_alias_moves(installation, tmp_path):
    run = judged(installation, tmp_path)
    model = run.folder.policy.model
    mend = cut(run)
    with pytest.raises(TamperedError, match=r"model\.onnx: has SHA-256 [0-9a-f]{64}, not"):
        walk(run, "registration")
    assert replace(run).dossier.events("registration") == []
    mend()
    assert walk(run, "registration") == {"registration": {"version": 1}}
    later = replace(run, pinned=False)
    approve(later)
    mend = cut(run)
    with pytest.raises(TamperedError):
        promotion.begin(replace(later))
    assert (aliases(run), rollouts(installation).current(model)) == ({}, None)
    mend()
    row = promotion.begin(replace(later))
    while not rollouts(installation).get(row.id).last_stage:
        traffic(later, good)
        assert promotion.move(replace(later)) is None
    traffic(later, good)
    mend = cut(run)
    with pytest.raises(TamperedError):
        promotion.move(replace(later))
    assert aliases(run) == {"canary": 1}
    assert rollouts(installation).current(model).champion is None
    mend()
    assert promotion.move(replace(later))["champion"] == 1
    assert aliases(run) == {"champion": 1}


@pytest.mark.parametrize("created", ["runs/create", "logged-models", "model-versions/create"])
def test_what_was_made_while_the_answer_was_lost_is_not_made_again(installation, tmp_path, created):
    with losing_one_answer(installation, created) as (lossy, lost):
        run = make_run(lossy, make_folder(tmp_path))
        refused = []
        for step in (
            lambda: walk(run, "snapshot"),
            lambda: train_by_hand(run, bias=0.0),
            *(lambda gate=gate: passed(replace(run), gate) for gate in ("contract", *steps.GATES)),
            lambda: walk(run, "registration"),
        ):
            try:
                step()
            except UnavailableError as error:
                refused.append(error)
                step()
        assert (len(lost), len(refused)) == (1, 1)
        dossier = replace(run).dossier
        experiment = dossier.client.get_run(dossier.run_id).info.experiment_id
        assert len(dossier.client.search_runs([experiment])) == 1
        assert len(dossier.client.search_logged_models([experiment])) == 1
        assert len(dossier.client.search_model_versions(f"name = '{dossier.model}'")) == 1
        assert_whole(run, ["request", "snapshot", "training", "contract", *steps.GATES, "registration"])


class Restarted:
    """An MLflow server that can be ended at once and started again."""

    def __init__(self, home):
        self._home, self._stack = home, ExitStack()
        self.settings = self._stack.enter_context(running_mlflow(home))

    def end(self):
        self._stack.close()

    def start(self):
        port = int(self.settings.tracking_uri.rpartition(":")[2])
        self._stack.enter_context(running_mlflow(self._home, port=port))


@contextmanager
def ending_at(monkeypatch, module, point, server):
    """The server goes away when a writer comes to a fault point."""

    def fault_point(name):
        if name == point:
            server.end()

    with monkeypatch.context() as patched:
        patched.setattr(module, "fault_point", fault_point)
        yield


def assert_whole(run, kinds):
    dossier = replace(run).dossier
    records = dossier.records()
    assert [record.kind for record in records] == kinds
    assert run_tags(records).items() <= dossier.tags().items()
    assert AnchorTable(rollouts(run.settings).engine).check() == []


def test_a_registry_that_goes_away_in_mid_write_is_told_and_the_next_attempt_is_whole(tmp_path, monkeypatch):
    server = Restarted(tmp_path)
    try:
        run = judged(replace(server.settings, models=tmp_path / "models"), tmp_path)
        kinds = ["request", "snapshot", "training", "contract", *steps.GATES]
        with (
            ending_at(monkeypatch, writing, "robustness.stored", server),
            pytest.raises(UnavailableError, match="MLflow"),
        ):
            passed(replace(run), "robustness")
        server.start()
        assert len(replace(run).dossier.records()) == len(kinds) + 1  # anchored, but not shown
        passed(replace(run), "robustness")
        assert_whole(run, [*kinds, "robustness", "robustness"])
        with (
            ending_at(monkeypatch, versions, "registration.created", server),
            pytest.raises(UnavailableError, match="MLflow"),
        ):
            walk(run, "registration")
        server.start()
        assert walk(run, "registration") == {"registration": {"version": 1}}
        assert_whole(run, [*kinds, "robustness", "robustness", "registration"])
        dossier = replace(run).dossier
        (version,) = dossier.client.search_model_versions(f"name = '{dossier.model}'")
        assert version_tags(dossier.records(), dossier.run_id).items() <= version.tags.items()
    finally:
        server.end()


def test_a_clock_that_goes_back_changes_no_order(mlflow_server, tmp_path):
    times = (f"2026-01-{day:02d}T00:00:00.000Z" for day in itertools.cycle(range(28, 0, -3)))
    engine: Engine = open_database(f"sqlite:///{tmp_path / 'operations.db'}")
    create_tables(engine)
    anchors = AnchorTable(engine, clock=lambda: next(times))
    dossier = Archive(mlflow_server, anchors).open(model=fresh_name(), run_key="retrain/1")
    written = []
    for number in range(6):
        written.append(dossier.record(event("rollout", str(number), at=next(times))))
        written.append(dossier.append(verdict()))
    assert dossier.records() == written
    assert [each.attempt for each in dossier.verdicts()] == [1, 2, 3, 4, 5, 6]
    stamped = [anchor.at for anchor in anchors.all()]
    assert stamped != sorted(stamped)
    assert anchors.check() == []
    assert [anchor.number for anchor in anchors.of(dossier.run_id)] == list(range(1, 13))
    engine.dispose()
