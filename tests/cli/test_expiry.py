"""`assay snapshot expire`, and how the other commands speak of rows that were deleted."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from tests.cli.test_snapshot import POLICY, people, run, taken  # noqa: F401 (a fixture)

TODAY = datetime.now(UTC).date()


@pytest.fixture
def overdue(run, tmp_path, monkeypatch):  # noqa: F811
    """A snapshot whose time was over on the day before yesterday."""
    for name, value in {
        "ASSAY_HOME": tmp_path / "home",
        "ASSAY_OPERATIONS_DB": f"sqlite:///{tmp_path / 'operations.db'}",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, str(value))
    return aged(tmp_path, taken(run), 2)


def aged(tmp_path, manifest, days):
    """As if it had been taken so much earlier that its time has been over for some days."""
    path = tmp_path / f"snapshots/loan/manifests/{manifest['id']}.json"
    manifest = manifest | {"keep_until": (TODAY - timedelta(days=days)).isoformat()}
    path.write_text(json.dumps(manifest, indent=2))
    return manifest


def rows_of(tmp_path):
    return list((tmp_path / "snapshots").rglob("*.parquet"))


def test_without_yes_it_only_tells(run, overdue, tmp_path):  # noqa: F811
    said = run("expire").stdout
    assert f"would delete {overdue['id']}: 180 rows" in said
    assert f"to be kept until {overdue['keep_until']} (2 days over)" in said
    assert "--yes" in said
    told = json.loads(run("expire", "--json").stdout)
    (due,) = told["delete"]
    assert (due["snapshot"], due["rows"], due["days_over"], due["needed_by"]) == (overdue["id"], 180, 2, [])
    assert due["bytes"] == sum(file.stat().st_size for file in rows_of(tmp_path))
    assert (told["dry_run"], told["keep"], told["end"]) == (True, [], [])


def test_with_yes_the_rows_go_and_every_command_says_so(run, overdue, tmp_path):  # noqa: F811
    told = json.loads(run("expire", "--yes", "--json").stdout)
    assert [each["snapshot"] for each in told["deleted"]] == [overdue["id"]]
    assert rows_of(tmp_path) == []
    assert run("expire", "--yes").stdout == "nothing is due\n"
    deleted = f"its rows were deleted on {TODAY}"
    assert f"on {TODAY} by " in run("show", overdue["id"]).stdout
    assert json.loads(run("show", overdue["id"], "--json").stdout)["deleted"]["rows"] == 180
    assert f"deleted {TODAY}" in run("list").stdout
    said = run("verify", overdue["id"]).stdout
    assert said.startswith(f"deleted  {overdue['id']}")
    assert deleted in said
    other = taken(run, "--source", str(tmp_path / "models/loan/people.csv"))  # the same rows, taken anew
    assert other["id"] == overdue["id"]
    (tmp_path / "models/loan/people.csv").write_text(people(shift=1))
    aged(tmp_path, other, 1)
    run("expire", "--yes")
    another = taken(run)
    assert deleted in run("diff", overdue["id"], another["id"], code=2).stderr


def test_a_taking_for_longer_keeps_the_rows_and_is_shown(run, overdue, tmp_path):  # noqa: F811
    path = tmp_path / "models/loan/policy.yaml"
    path.write_text(yaml.safe_dump({**POLICY, "data": {**POLICY["data"], "purpose": "scoring", "keep_days": 400}}))
    again = taken(run)
    assert (again["id"], again["purpose"]) == (overdue["id"], "scoring")
    assert date.fromisoformat(again["keep_until"]) == TODAY + timedelta(days=400)
    assert run("expire", "--yes").stdout == "nothing is due\n"
    told = json.loads(run("show", overdue["id"], "--json").stdout)
    assert (told["purpose"], told["kept_until"]) == ("loans", again["keep_until"])
    assert [each["purpose"] for each in told["takings"]] == ["loans", "scoring"]
    said = run("show", overdue["id"]).stdout
    assert "for loans" in said
    assert again["keep_until"] in said
    assert "OVER" not in run("list").stdout


def test_a_model_without_snapshots_is_told_with_the_nearest(run, overdue):  # noqa: F811
    said = run("expire", "--model", "laon", code=2).stderr
    assert "has no snapshot" in said
    assert 'did you mean "loan"' in said


def test_rows_that_are_left_of_a_deletion_are_told_and_go(run, overdue, tmp_path):  # noqa: F811
    (rows,) = rows_of(tmp_path)
    content = rows.read_bytes()
    run("expire", "--yes")
    rows.write_bytes(content)  # as a kill would have left them
    assert "is still there, though its rows were deleted" in run("verify", code=1).stdout
    assert "would end" in run("expire").stdout
    run("expire", "--yes")
    assert rows_of(tmp_path) == []
    assert run("verify").stdout.startswith("deleted")
