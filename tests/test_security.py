"""docs/SECURITY.md names tests that exist, and every secret and setting that it speaks of."""

import ast
import re

from tests.compose.topology import ROOT

TEXT = (ROOT / "docs" / "SECURITY.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


def functions_in(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text()) if file.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    found = {path: functions_in(path) for path, _ in NAMED}
    assert [f"{path}::{name}" for path, name in NAMED if name not in found[path]] == []


def test_every_attack_names_a_test() -> None:
    table = TEXT.partition("| attack | held by |")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines()[2:] if row.startswith("|")]
    assert len(rows) > 25
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def test_every_secret_of_the_topology_is_in_the_table() -> None:
    documented = (ROOT / "docs" / "env.example").read_text()
    secrets = set(re.findall(r"^(\w+)=$", documented, re.M))
    people = {f"AIRFLOW_{who}_PASSWORD" for who in ("ADMIN", "ENGINEER", "REVIEWER", "OFFICER")}
    assert {each for each in secrets - people if f"`{each}`" not in TEXT} == set()


def test_the_readme_leads_to_it() -> None:
    assert "(docs/SECURITY.md)" in (ROOT / "README.md").read_text()
