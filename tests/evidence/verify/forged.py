"""Chains and tables of anchors rewritten as a whole, by one who holds the key."""

from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import delete, insert

from assay.core import Event
from assay.evidence.opening import rollouts
from assay.registry.sealed import Sealed, file_name
from assay.rollout.anchors import AnchorTable
from assay.rollout.database import writing
from assay.rollout.tables import ANCHOR


def rewritten_chain(run, keyring, kind="request", **words):
    """The chain with other words in one of its events, signed anew throughout; what each file is to hold."""
    previous, files = None, {}
    for number, record in enumerate(replace(run).dossier.records(), 1):
        if isinstance(record, Event):
            facts = {**record.facts, **((words or {"reason": "ordered"}) if record.event == kind else {})}
            made = replace(record, facts=_renamed(facts, files), previous=previous)
        else:
            made = replace(record, previous=previous)
        files[record.digest] = (number, made, Sealed.make(run.dossier.run_id, number, made, keyring).to_bytes())
        previous = made.digest
    return list(files.values())


def _renamed(value, files):
    """The same facts, naming the rewritten records."""
    if isinstance(value, dict):
        return {key: _renamed(each, files) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, files) for each in value]
    return files[value][1].digest if isinstance(value, str) and value in files else value


@contextmanager
def stored(files, chain):
    """Those files in the place of the chain's."""
    folder = files / "dossier"
    whole = {file: file.read_bytes() for file in folder.iterdir()}
    for file in whole:
        file.unlink()
    for number, record, content in chain:
        (files / file_name(number, record.kind, record.digest)).write_bytes(content)
    try:
        yield
    finally:
        for file in folder.iterdir():
            file.unlink()
        for file, content in whole.items():
            file.write_bytes(content)


@contextmanager
def rewritten_anchors(run, chain):
    """Anchors for the chain, chained anew: what somebody with both the key and the database can do."""
    engine = rollouts(run.settings).engine
    digests = {(run.dossier.run_id, number): record.digest for number, record, _ in chain}
    whole = list(AnchorTable(engine).all())
    with writing(engine) as connection:
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.execute(delete(ANCHOR))
        last = None
        for anchor in whole:
            made = replace(anchor, digest=digests.get((anchor.dossier, anchor.number), anchor.digest))
            last = made.chained(last)
            connection.execute(insert(ANCHOR).values(replace(made, chain=last).to_dict()))
    try:
        yield
    finally:
        with writing(engine) as connection:
            connection.execute(delete(ANCHOR))
            connection.execute(insert(ANCHOR), [each.to_dict() for each in whole])
            for _, sql in triggers:
                connection.exec_driver_sql(sql)
