"""What MLflow shows of a version: an image of the dossier, and nothing else may be in it."""

from collections.abc import Iterable, Mapping
from typing import Any

from assay.evidence.training import ROWS
from assay.evidence.verify.case import Case
from assay.evidence.verify.report import Check, Finding, checked, counted, uncheckable
from assay.registry.images import INCIDENT, OURS, candidate_tags, run_tags, version_tags
from assay.registry.live import read_candidate, read_run
from assay.rollout.incidents import Incidents


def differing(expected: Mapping[str, str], live: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each of some values that MLflow shows, in words.

    Examples
    --------
    >>> differing({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    {'a': "is missing, recorded '1'", 'b': "is '3', recorded '2'", 'c': "is '4', and was never recorded"}
    """
    wrong = {}
    for key in sorted(expected.keys() | live.keys()):
        if key not in live:
            wrong[key] = f"is missing, recorded {expected[key]!r}"
        elif key not in expected:
            wrong[key] = f"is {live[key]!r}, and was never recorded"
        elif live[key] != expected[key]:
            wrong[key] = f"is {live[key]!r}, recorded {expected[key]!r}"
    return wrong


def ours(tags: Mapping[str, str]) -> dict[str, str]:
    """Those tags that only Assay may set."""
    return {key: value for key, value in tags.items() if key.startswith(OURS)}


def check_version(case: Case) -> Check:
    """Whether the registered version leads to the candidate and the run that it was made of."""
    name = f"{case.model} version {case.version}"
    if case.live is None:
        return checked("version", "nothing", [Finding(path=name, message="is no longer in MLflow: it was deleted")])
    training = case.training
    if training is None:
        return uncheckable("version", "training")
    wanted = {
        "source": f"models:/{training.facts['candidate']}",
        "run_id": case.dossier.run_id,
        "status": "READY",
    }
    wrong = differing(wanted, {key: str(getattr(case.live, key)) for key in wanted})
    found = [Finding(path=f"{name}: {key}", message=message) for key, message in wrong.items()]
    model_id = training.facts["candidate"]
    candidate = read_candidate(case.dossier.client, model_id)
    if candidate is not None:
        made = {key: wanted[key] for key in ("run_id", "status")}
        wrong = differing(made, {key: getattr(candidate, key) for key in made})
        found += [Finding(path=f"candidate {model_id}: {key}", message=message) for key, message in wrong.items()]
    return checked("version", f"{', '.join(wanted)} of the version; run_id, status of the candidate", found)


def check_tags(case: Case) -> Check:
    """Whether run, candidate and version carry the tags that the chain gives, and no other of Assay's."""
    if not case.whole:
        return uncheckable("tags", "dossier")
    found, count = [], 0
    for where, expected, live in _tagged(case):
        count += len(expected)
        if live is None:
            found.append(Finding(path=where, message="is no longer in MLflow: it was deleted"))
            continue
        wrong = differing(expected, ours(live))
        found += [Finding(path=f"{where}: tag {key}", message=message) for key, message in wrong.items()]
    return checked("tags", f"{counted(count, 'tag')} of run, candidate and version", found)


def check_parameters(case: Case) -> Check:
    """Whether run and candidate show the parameters and metrics that training recorded."""
    made = case.trainings
    if not made:
        return uncheckable("parameters", "training")
    run = read_run(case.dossier.client, case.dossier.run_id)
    shown: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = []
    if run is not None:  # it shows the candidate as trained
        chosen, rows = _chosen(made[0].facts), _rows(made[0].facts)
        shown.append((f"run {case.dossier.run_id}: parameter", chosen, run.parameters))
        numbers = {name: float(value) for name, value in {"onnx_parity": made[0].facts["parity"], **rows}.items()}
        shown.append((f"run {case.dossier.run_id}: metric", numbers, run.metrics))
    for facts in (each.facts for each in made):
        candidate = read_candidate(case.dossier.client, facts["candidate"])
        if candidate is not None:
            expected = _chosen(facts) | _rows(facts)
            shown.append((f"candidate {facts['candidate']}: parameter", expected, candidate.parameters))
    found = [
        Finding(path=f"{where} {key}", message=message)
        for where, expected, live in shown
        for key, message in differing(_texts(expected), _texts(live)).items()
    ]
    return checked("parameters", counted(sum(len(each) for _, each, _ in shown), "value") + " shown by MLflow", found)


def _chosen(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts["parameters"], "seed": facts["seed"], "threshold": facts["threshold"]}


def _rows(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ROWS if name in facts}


def _tagged(case: Case) -> list[tuple[str, dict[str, str], Mapping[str, str] | None]]:
    """Where tags are, those that there must be, and those that there are; None where the thing itself is gone."""
    client, run_id, records = case.dossier.client, case.dossier.run_id, case.records
    run = read_run(client, run_id)
    tagged = [(f"run {run_id}", run_tags(records), None if run is None or run.deleted else run.tags)]
    made = case.last("training")
    if made is not None:
        candidate = read_candidate(client, made.facts["candidate"])
        live = None if candidate is None else candidate.tags
        tagged.append((f"candidate {made.facts['candidate']}", candidate_tags(records), live))
    if case.live is not None:
        incidents = Incidents(case.book.engine).open(case.model)
        mark = marks([each.id for each in incidents if each.version == case.version], case.live.tags)
        expected = version_tags(records, run_id, case.version) | mark
        tagged.append((f"{case.model} version {case.version}", expected, case.live.tags))
    return tagged


def marks(incidents: Iterable[int], live: Mapping[str, str]) -> dict[str, str]:
    """The mark that a version has where some or all of its open incidents are in it: an audit sets it, and may lag."""
    mark = live.get(INCIDENT, "")
    return {INCIDENT: mark} if mark and set(mark.split(",")) <= set(map(str, incidents)) else {}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """As MLflow shows them, but for the many ways to write one number: a record's JSON knows one."""
    return {key: _number(str(value)) for key, value in values.items()}


def _number(text: str) -> str:
    try:
        return f"{float(text):.17g}"
    except ValueError:
        return text
