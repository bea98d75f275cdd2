"""Looks at the audited version, and what one look found."""

from contextlib import contextmanager
from dataclasses import replace

from assay.evidence.audit import aliases, audit, versions
from assay.evidence.opening import archive


def lag(monkeypatch, time):
    for module in (aliases, versions):
        monkeypatch.setattr(module, "LAG", time)


def look(run, **asked):
    return audit(archive(run.settings), run.folder.policy.model, **asked)


def told(found):
    return [each.incident.message for each in found.seen]


def mark(run):
    tags = run.dossier.client.get_model_version(run.folder.policy.model, "1").tags
    return tags.get("assay.incident")


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
