"""Cards and explanations from the command line, of a version in a real registry."""

import json
from dataclasses import replace

import pytest
from tests.evidence.support import point_at
from tests.pipeline.conftest import NOISE
from tests.pipeline.support import POLICY, make_folder, make_run, walk
from typer.testing import CliRunner

from assay.cli import app

pytestmark = [pytest.mark.stack, *(pytest.mark.filterwarnings(each) for each in NOISE)]


@pytest.fixture(scope="module")
def run(mlflow_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("cards")
    settings = replace(mlflow_server, operations_db=f"sqlite:///{home / 'operations.db'}")
    begun = make_run(settings, make_folder(home / "models", data={**POLICY["data"], "mutable": ["x", "word"]}))
    walk(begun)
    return begun


@pytest.fixture
def assay(run, monkeypatch):
    point_at(monkeypatch, run.settings)

    def invoke(command, *more, model=run.folder.policy.model, version="1"):
        return CliRunner().invoke(app, [command, model, version, *map(str, more)])

    return invoke


def row(tmp_path, **cells):
    path = tmp_path / "row.json"
    path.write_text(json.dumps(cells))
    return path


def test_a_card_is_printed_in_either_form(assay):
    text, page = assay("card"), assay("card", "--html")
    assert (text.exit_code, page.exit_code) == (0, 0)
    assert text.stdout.startswith("# toy\\_")
    assert "## Technical documentation" in text.stdout
    assert page.stdout.lstrip().startswith("<!doctype html>")


def test_a_card_is_written_with_all_its_files_and_again_the_same(assay, tmp_path):
    done = assay("card", "--out", tmp_path / "card")
    names = {path.name for path in (tmp_path / "card").iterdir()}
    assert names == {"model_card.md", "model_card.html", "datasheet.md", "explanation.json"}
    assert {line.rpartition("/")[2] for line in done.stdout.split()} == names
    assay("card", "--fresh", "--out", tmp_path / "again")
    for name in names:
        assert (tmp_path / "card" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_folder_that_is_a_file_is_refused(assay, tmp_path):
    (tmp_path / "file").touch()
    done = assay("card", "--out", tmp_path / "file")
    assert (done.exit_code, "is not a folder" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", ["card", "explain"])
def test_a_version_that_is_not_there_is_refused(assay, command, tmp_path):
    more = ["--row", row(tmp_path, x=1)] if command == "explain" else []
    done = assay(command, *more, version="99")
    assert done.exit_code == 2
    assert "no such version" in done.stderr
    assert "known: 1" in done.stderr
    unknown = assay(command, *more, model="nothing_like_it")
    assert (unknown.exit_code, "no version of this model" in unknown.stderr) == (2, True)


def test_a_row_is_explained_and_its_contributions_sum_to_its_score(assay, tmp_path):
    target = tmp_path / "explanation.json"
    done = assay("explain", "--row", row(tmp_path, x=-0.4, word="b"), "--json", target)
    assert done.exit_code == 0, done.stderr
    told = json.loads(target.read_text())
    assert told["base"] + sum(each["amount"] for each in told["contributions"]) == pytest.approx(
        told["score"], abs=1e-9
    )
    assert told["decision"] == "no"
    assert {change["feature"] for each in told["counterfactuals"] for change in each["changes"]} <= {"x", "word"}
    for each in told["counterfactuals"]:
        assert each["score"] >= told["threshold"]
    assert f"decides no: the score {told['score']:.4f} is below the threshold 0.5" in done.stdout
    assert "x        -0.4" in done.stdout
    assert "  1. " in done.stdout


def test_json_alone_goes_to_standard_output(assay, tmp_path):
    done = assay("explain", "--row", row(tmp_path, x=3, word="a"), "--json", "-")
    assert json.loads(done.stdout)["decision"] == "yes"
    assert "decides yes" in done.stderr


def test_everything_wrong_with_a_row_is_said_at_once(assay, tmp_path):
    done = assay("explain", "--row", row(tmp_path, x="many", wort="a"))
    assert done.exit_code == 2
    for told in ("3 problems", "'many' is not a number", 'did you mean "word"?', "word: is missing"):
        assert told in done.stderr


def test_a_row_and_a_target_that_are_both_wrong_are_told_together(assay, tmp_path):
    done = assay("explain", "--row", tmp_path / "none.json", "--json", tmp_path / "no" / "where.json")
    assert done.exit_code == 2
    assert "2 problems" in done.stderr
