"""A version's card is kept with its dossier once for everything that there was to tell."""

from dataclasses import replace

import pytest
from tests.pipeline.conftest import NOISE
from tests.pipeline.support import POLICY, make_folder, make_run, walk

from assay.core import Event, sha256_bytes
from assay.evidence.card import store
from assay.evidence.card.store import cards, case_of, fresh_card, kept_card, kept_explanation, write_card
from assay.evidence.opening import archive
from assay.evidence.stored import Stored
from assay.registry.artifacts import TamperedError
from assay.registry.wire import put_file

pytestmark = [pytest.mark.stack, *(pytest.mark.filterwarnings(each) for each in NOISE)]
NAMES = {"model_card.md", "model_card.html", "datasheet.md", "explanation.json"}


@pytest.fixture(scope="module")
def run(mlflow_server, tmp_path_factory):
    """A registered version whose team wrote a datasheet."""
    home = tmp_path_factory.mktemp("carded")
    settings = replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")
    folder = make_folder(home / "models", data={**POLICY["data"], "mutable": ["x"]})
    (folder / "datasheet.md").write_text("## Motivation\n\nTo test **cards**. _blank_\n")
    begun = make_run(settings, folder)
    walk(begun)
    return begun


def stored(run):
    return Stored.of_version(archive(run.settings), run.folder.policy.model, replace(run).version)


def write(run):
    """Write the card as the pipeline does: files first, then the event."""
    found = stored(run)
    told = write_card(found, case_of(found))
    run.dossier.record(
        Event(event="card", operation=f"card:{told['number']}", by="run", at="2026-01-01T00:00:00.000Z", facts=told)
    )
    return told


def description(run):
    version = run.dossier.client.get_model_version(run.folder.policy.model, str(replace(run).version))
    return version.description


def test_a_card_is_kept_once_and_grows_only_with_the_dossier(run, monkeypatch):
    assert kept_card(stored(run)) is None
    before = fresh_card(stored(run))
    told = write(run)
    assert {name.rpartition("/")[2] for name in told["files"]} == NAMES
    assert told["version"] == replace(run).version
    assert told["head"] == stored(run).records[-2].digest  # all but the card itself
    kept = kept_card(stored(run))
    assert {name: sha256_bytes(content) for name, content in kept.items()} == {
        name.rpartition("/")[2]: digest for name, digest in told["files"].items()
    }
    assert kept == before  # made from the same records, the same bytes
    assert b"> To test **cards**. _blank_" in kept["datasheet.md"]
    assert f"{told['blanks']} of {told['questions']} questions".encode() in kept["model_card.md"]

    # nothing new: the same card, and no second event
    assert write(run) == told
    assert len(cards(stored(run).records)) == 1

    # something new: a second card beside the first, with the explanation that was measured already
    run.dossier.record(Event(event="alias", operation="alias:1", by="run", at="2026-01-02T00:00:00.000Z", facts={}))
    monkeypatch.setattr(store, "_explain", lambda _: pytest.fail("explained again"))
    second = write(run)
    assert (second["number"], len(cards(stored(run).records))) == (2, 2)
    assert not set(second["files"]) & set(told["files"])
    assert kept_card(stored(run))["explanation.json"] == kept["explanation.json"]
    for name, digest in told["files"].items():
        assert sha256_bytes(run.dossier.read(name)) == digest


def test_the_version_in_mlflow_leads_to_the_card(run):
    told = write(run)
    page = next(name for name in told["files"] if name.endswith(".html"))
    said = description(run)
    assert f"/runs/{run.dossier.run_id}/artifacts/{page})" in said
    assert f"{told['blanks']} of {told['questions']} questions are not stated" in said


def test_a_changed_card_is_found(run):
    told = write(run)
    name = next(name for name in told["files"] if name.endswith(".md"))
    content = run.dossier.read(name)
    place = f"{run.dossier.location}/{name}"
    put_file(run.settings.tracking_uri, place, content + b" ")
    try:
        with pytest.raises(TamperedError):
            kept_card(stored(run))
    finally:
        put_file(run.settings.tracking_uri, place, content)
    assert kept_card(stored(run))


def test_the_explanation_is_of_the_registered_model(run):
    write(run)
    assert kept_explanation(stored(run)).model == stored(run).model
