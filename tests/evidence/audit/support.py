"""Looks at the audited version, and what one look found."""

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

from assay.evidence.audit import aliases, audit, tags, versions
from assay.evidence.opening import archive
from assay.registry.images import INCIDENT


def lag(monkeypatch, time):
    for module in (aliases, tags, versions):
        monkeypatch.setattr(module, "LAG", time)


def look(run, **asked):
    return audit(archive(run.settings), run.folder.policy.model, **asked)


def told(found):
    return [each.incident.message for each in found.seen]


def mark(run):
    return run.dossier.client.get_model_version(run.folder.policy.model, "1").tags.get(INCIDENT)


def restored(run):
    return [event.facts for event in replace(run).dossier.events("restoration")]


@contextmanager
def shown(client, model, alias, version):
    """An alias as other hands set it; as it was when the block ends."""
    was = client.get_registered_model(model).aliases.get(alias)
    set_alias(client, model, alias, version)
    try:
        yield
    finally:
        set_alias(client, model, alias, was)


def set_alias(client, model, alias, version):
    if version is None:
        client.delete_registered_model_alias(model, alias)
    else:
        client.set_registered_model_alias(model, alias, str(version))


def database(run):
    """The file of the operations database."""
    return run.settings.operations_db.removeprefix("sqlite:///")


@contextmanager
def with_a_copy(run, folder):
    """The run with a copy of the operations database, for what cannot be undone there; MLflow is left as it was."""
    file = folder / "operations.db"
    with closing(sqlite3.connect(database(run))) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    try:
        yield replace(run, settings=replace(run.settings, operations_db=f"sqlite:///{file}"))
    finally:
        if mark(run) is not None:
            run.dossier.client.delete_model_version_tag(run.folder.policy.model, "1", INCIDENT)
