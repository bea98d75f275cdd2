"""Whatever MLflow shows otherwise than it was recorded is named."""

import random
from contextlib import contextmanager

import pytest
from tests.evidence.verify.support import found, missed, missed_alone
from tests.evidence.whole import rewritten

pytestmark = pytest.mark.stack


def tags(client, run, model):
    """Each thing that has tags: what it has, and how to set and to delete one."""
    candidate = run.candidate.model_id
    run_id = run.dossier.run_id
    yield (
        f"run {run_id}", client.get_run(run_id).data.tags,
        lambda key, value: client.set_tag(run_id, key, value), lambda key: client.delete_tag(run_id, key),
    )  # fmt: skip
    yield (
        f"candidate {candidate}", client.get_logged_model(candidate).tags,
        lambda key, value: client.set_logged_model_tags(candidate, {key: value}),
        lambda key: client.delete_logged_model_tag(candidate, key),
    )  # fmt: skip
    yield (
        f"{model} version 1", client.get_model_version(model, "1").tags,
        lambda key, value: client.set_model_version_tag(model, "1", key, value),
        lambda key: client.delete_model_version_tag(model, "1", key),
    )  # fmt: skip


@contextmanager
def tagged(key, value, was, put, drop):
    put(key, value) if value is not None else drop(key)
    try:
        yield
    finally:
        put(key, was) if was is not None else drop(key)


def changed_tags(run, model):
    for where, present, put, drop in tags(run.dossier.client, run, model):
        for key, value in present.items():
            if key.startswith("assay."):
                other = value[:-1] + ("x" if value[-1:] != "x" else "y")
                yield tagged(key, other, value, put, drop), [where, f"tag {key}: is ", "recorded"]


def deleted_tags(run, model):
    for where, present, put, drop in tags(run.dossier.client, run, model):
        for key, value in present.items():
            if key.startswith("assay."):
                yield tagged(key, None, value, put, drop), [where, f"tag {key}: is missing"]


def test_any_tag_counts(run, model):
    extra = [
        (tagged(key, "1", None, put, drop), [where, f"tag {key}: is '1', and was never recorded"])
        for where, _, put, drop in tags(run.dossier.client, run, model)
        for key in ("assay.verdict.security", "assay.incident")
    ]
    assert missed(run, extra) == []
    assert missed(run, list(changed_tags(run, model))) == []
    assert missed(run, list(deleted_tags(run, model))) == []
    every = [*changed_tags(run, model), *deleted_tags(run, model)]
    assert len(every) > 60
    assert missed_alone(run, every, random.Random(19), times=6) == []
    assert found(run) == []


def test_what_mlflow_shows_otherwise_than_recorded_is_named(run, model):
    database, run_id = run.settings.home / "mlflow.db", run.dossier.run_id
    candidate = run.candidate.model_id

    def sql(statement, *values):
        return rewritten(database, statement, *values)

    where = "run_uuid = ?"
    tampered = [
        (sql(f"UPDATE params SET value = '9' WHERE {where} AND key = 'seed'", run_id), ["parameter seed: is '9'"]),
        (sql(f"UPDATE latest_metrics SET value = 9 WHERE {where}", run_id), ["metric holdout_rows: is '9'"]),
        (sql("UPDATE model_versions SET source = 'models:/m-0' WHERE name = ?", model), ["source: is 'models:/m-0'"]),
        (sql("UPDATE model_versions SET run_id = 'r' WHERE name = ?", model), ["run_id: is 'r'"]),
        (sql("UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE name = ?", model), ["was deleted"]),
        (sql(f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {where}", run_id), [f"run {run_id}", "was deleted"]),
        (
            sql("UPDATE logged_models SET source_run_id = 'r' WHERE model_id = ?", candidate),
            [f"candidate {candidate}: run_id: is 'r'"],
        ),
        (
            sql("UPDATE logged_models SET lifecycle_stage = 'deleted' WHERE model_id = ?", candidate),
            [f"candidate {candidate}", "was deleted"],
        ),
    ]
    assert [each for change in tampered for each in missed(run, [change])] == []
