"""Whatever lies in the models' folder, every good model keeps its DAG and every bad one gets a DAG that says why."""

import os
import re
import shutil
from pathlib import Path

import pytest
from tests.dags.test_dags import ROOT, parse

VALID_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")
GOOD = {"retrain_income", "retrain_plain", "audit_registry"}
POLICY = (ROOT / "include" / "models" / "income" / "policy.yaml").read_text()

# Copies of a good model under names that no model may have, and what is said of each.
NAMES = {
    "income copy": 'is "income" but the folder is "income copy"',
    "income_copy": 'is "income" but the folder is "income_copy"',  # without a digest the one above had its id
    "income\tcopy": r'the folder is "income\tcopy"',
    "-rf": 'the folder is "-rf"',
    "..income": 'the folder is "..income"',
    "in.come": 'the folder is "in.come"',
    "Einkommen für ältere": "the folder is",
    "收入": "the folder is",
    "line\nbreak": "the folder is",
    "`code` <script>": "the folder is",
    "long_" * 50: "the folder is",
    b"not\xffutf8": "the folder is",
}

_MERGED = "a0: &a0 {k: v, l: w}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}], k{n}: v}}\n" for n in range(1, 9)
)
# What stands in the place of policy.yaml, and what is said of it.
CONTENTS = {
    "binary": (b"\x00\xff\xfe\x01" * 2_000, "is not YAML"),
    "empty_file": (b"", "is empty"),
    "huge": (POLICY.encode() + b"# " + b"x" * 3_000_000, "has more than 1,000,000 bytes"),
    "bomb_of_lists": (
        (
            "a: &a [x, x, x, x]\n"
            + "".join(f"{n}: &{n} [{', '.join([f'*{b}'] * 9)}]\n" for b, n in zip("abcdefgh", "bcdefghi", strict=True))
        ).encode(),
        "once its aliases are written out",
    ),
    "bomb_of_merges": (_MERGED.encode(), "once its aliases are written out"),
    "deep": (b"a: " + b"[" * 300_000, "nested too deeply"),
    "itself": (b"a: &a [*a]\nb: &b {c: *b}\n" + POLICY.encode(), "unknown key"),
    "many_keys": ("".join(f"key_{n}: 1\n" for n in range(40_000)).encode(), "problems"),
    "wrong_cron": (POLICY.replace('"0 2 * * 1"', '"99 99 * * *"').encode(), "is not a cron expression"),
    "python_tag": (b"a: !!python/object/apply:os.system [true]\n", "is not YAML"),
    "complex_key": (b"{[a]: 1, ? {b: c} : 2}\n", "is not YAML"),
    "a_fence": (rb'"```\n# done": 1', "unknown key"),
}


def folder(models: Path, name: str | bytes) -> Path:
    made = models / os.fsdecode(name)
    shutil.copytree(ROOT / "include" / "models" / "income", made, ignore=shutil.ignore_patterns("data", "__pycache__"))
    return made


def fill(models: Path) -> None:
    """Good models among all that can be wrong with a folder."""
    folder(models, "income")
    (folder(models, "plain") / "policy.yaml").write_text(POLICY.replace("model: income", "model: plain"))
    for name in NAMES:
        folder(models, name)
    for name, (content, _) in CONTENTS.items():
        (folder(models, name) / "policy.yaml").write_bytes(content)
    policy = folder(models, "a_folder") / "policy.yaml"
    policy.unlink()
    policy.mkdir()
    os.mkfifo(replaced(models, "a_pipe"))
    replaced(models, "endless").symlink_to("/dev/zero")
    replaced(models, "broken_link_to_policy").symlink_to("nothing.yaml")
    replaced(models, "circle_of_policies").symlink_to("policy.yaml")
    (models / "broken_link").symlink_to("nowhere")
    (models / "circle").symlink_to("circle")
    (models / "README.md").write_text("no model")
    (models / "empty_folder").mkdir()


def replaced(models: Path, name: str) -> Path:
    policy = folder(models, name) / "policy.yaml"
    policy.unlink()
    return policy


OTHERS = {
    "a_folder": "cannot be read: Is a directory",
    "a_pipe": "is not a regular file",
    "endless": "is not a regular file",
    "broken_link_to_policy": "no such file",
    "circle_of_policies": "cannot be read: Too many levels of symbolic links",
    "broken_link": "no such file",
    "circle": "cannot be read: Too many levels of symbolic links",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    models = home / "models"
    models.mkdir()
    fill(models)
    return parse(home, models)


def test_all_good_models_keep_their_dags_and_nothing_else_fails(found):
    assert found["errors"] == {}
    assert found["dags"].keys() >= GOOD
    assert len(found["dags"]["retrain_income"]["tasks"]) == len(found["dags"]["retrain_plain"]["tasks"]) > 10


def test_every_bad_folder_has_one_dag_with_a_valid_id(found):
    refused = {dag_id: dag for dag_id, dag in found["dags"].items() if "invalid-policy" in dag["tags"]}
    assert len(refused) == len(NAMES) + len(CONTENTS) + len(OTHERS)
    assert found["dags"].keys() - refused.keys() == GOOD
    assert all(VALID_ID.fullmatch(dag_id) for dag_id in refused)
    assert all(list(dag["tasks"]) == ["policy"] for dag in refused.values())


@pytest.mark.parametrize("name", [*CONTENTS, *OTHERS])
def test_each_says_what_is_wrong_with_it(found, name):
    said = CONTENTS[name][1] if name in CONTENTS else OTHERS[name]
    assert said in found["dags"][f"retrain_{name}"]["doc"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_model_may_have_is_shown_as_it_is(found, name):
    said = [dag["doc"] for dag in found["dags"].values() if NAMES[name] in dag["doc"]]
    assert said


def test_a_reason_cannot_leave_the_block_that_it_is_shown_in(found):
    assert found["dags"]["retrain_a_fence"]["doc"].count("```") == 2


def test_a_reason_is_cut_before_it_fills_airflow_s_database(found):
    assert len(found["dags"]["retrain_many_keys"]["doc"]) < 5_000
