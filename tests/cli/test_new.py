import pyarrow as pa
import pyarrow.csv as pc
import pytest
import typer
from typer.testing import CliRunner

from assay.cli.errors import explained
from assay.cli.new import new
from assay.policy import load_folder, model_folders

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(explained(new))

TABLE = pa.table(
    {"id": range(40), "sex": ["f", "m"] * 20, "spend": range(40), "churned": ["yes", "no", "no", "no"] * 10}
)


@pytest.fixture
def file(tmp_path):
    pc.write_csv(TABLE, tmp_path / "people.csv")
    return tmp_path / "people.csv"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_writes_a_folder_and_says_what_is_next(tmp_path, file):
    models = tmp_path / "models"
    result = run("churn", "--data", file, "--label", "churned", "--folder", models)
    assert result.exit_code == 0, result.output
    drafted = load_folder(models / "churn")
    assert sorted(path.name for path in drafted.path.iterdir()) == [
        "contract.json",
        "datasheet.md",
        "policy.yaml",
        "train.py",
    ]
    assert drafted.policy.data.source == str(file)
    assert list(models.iterdir()) == [models / "churn"]
    for said in ("policy.yaml", "review every limit", "sex", "assay try"):
        assert said in result.output


def test_data_under_the_same_root_are_named_from_the_folder(tmp_path, file):
    assert run("churn", "--data", file, "--label", "churned", "--folder", tmp_path).exit_code == 0
    drafted = load_folder(tmp_path / "churn")
    assert drafted.policy.data.source == "../people.csv"
    assert (drafted.path / drafted.policy.data.source).resolve() == file


def test_options_are_taken(tmp_path, file):
    options = ["--positive", "no", "--key", "spend", "--sensitive", "sex"]
    result = run("churn", "--data", file, "--label", "churned", "--folder", tmp_path, *options)
    assert result.exit_code == 0, result.output
    data = load_folder(tmp_path / "churn").policy.data
    assert (data.positive, data.key, data.sensitive) == ("no", "spend", ["sex"])


def test_a_folder_that_is_there_is_not_touched(tmp_path, file):
    (tmp_path / "churn").mkdir()
    result = run("churn", "--data", file, "--label", "churned", "--folder", tmp_path)
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert list((tmp_path / "churn").iterdir()) == []


def test_everything_wrong_is_said_at_once_and_nothing_written(tmp_path):
    result = run("Churn!", "--data", tmp_path / "absent.csv", "--label", "y", "--folder", tmp_path / "models")
    assert result.exit_code == 2
    assert "NAME: must start" in result.stderr
    assert "absent.csv: no such file" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "models").exists()


def test_a_draft_that_cannot_be_guessed_writes_nothing(tmp_path, file):
    pc.write_csv(TABLE.drop(["sex"]), file)
    result = run("churn", "--data", file, "--label", "churnd", "--folder", tmp_path / "models")
    assert result.exit_code == 2
    assert "--sensitive" in result.stderr
    assert 'did you mean "churned"' in result.stderr
    assert not (tmp_path / "models").exists()


def test_a_disk_that_fails_leaves_no_model(tmp_path, file, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", full)
    result = run("churn", "--data", file, "--label", "churned", "--folder", tmp_path / "models")
    assert result.exit_code == 4
    assert "No space left" in result.stderr
    assert list((tmp_path / "models").iterdir()) == []
    assert list(model_folders(tmp_path / "models")) == []
