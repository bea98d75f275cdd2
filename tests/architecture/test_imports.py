"""The arrows of the house: which room may import which, and which vendor is known to which room only."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.architecture import imports as reader
from tests.architecture.imports import Import

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "include" / "assay"

# Each level may import those above it in this list, never its own neighbours.
LEVELS = [
    {"core"},
    {"policy", "stats", "isolation"},
    {"gates", "data", "training"},
    {"registry", "rollout"},
    {"evidence"},
    {"serving", "governance", "pipeline", "signer"},
    {"local"},
    {"cli"},
    {"__main__"},
]

# A vendor's name, or that of one of its modules, and the only places that may import it.
VENDORS = {
    "mlflow": {"registry"},
    "great_expectations": {"gates.contract"},
    "evidently": {"gates.drift"},
    "airflow": {"pipeline"},
    "celery": {"pipeline"},
    "kombu": {"pipeline"},
    "sklearn": {"training"},
    "skl2onnx": {"training"},
    "deltalake": {"data"},
    "obstore": {"data"},
    "fairlearn": {"training.mitigation"},
    "starlette": {"serving", "governance"},
    "fastapi": {"governance"},
    "msgspec": {"serving"},
    "typer": {"cli"},
    "psutil": {"local"},
    "pkcs11": {"registry.token_keys"},
}

HEAVY = (
    "mlflow",
    "sklearn",
    "pandas",
    "great_expectations",
    "onnxruntime",
    "deltalake",
    "duckdb",
    "evidently",
    "skl2onnx",
)


def violations(source: Path) -> list[str]:
    found = reader.imports_below(source)
    return [str(i) for i in found if wrong_arrow(i) or vendor_out_of_its_room(i) or not allowed_in_core_and_stats(i)]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def gate(module: str) -> str:
    """The gate that a module belongs to; what begins with an underscore is shared by all."""
    parts = module.split(".")
    named = len(parts) > 2 and parts[1] == "gates" and not parts[2].startswith("_")
    return parts[2] if named else ""


def level(name: str) -> int:
    return next((number for number, rooms in enumerate(LEVELS) if name in rooms), -1)


def wrong_arrow(found: Import) -> bool:
    if found.imported.split(".")[0] != reader.PACKAGE:
        return False
    importer, imported = room(found.importer), room(found.imported)
    if importer == "":
        return imported != ""  # the package itself imports nothing of ours
    if importer == imported:
        return gate(found.importer) != "" and gate(found.imported) not in ("", gate(found.importer))
    return imported != "" and not -1 < level(imported) < level(importer)


def vendor_out_of_its_room(found: Import) -> bool:
    rooms = VENDORS.get(found.imported.split(".")[0])
    place = found.importer.removeprefix(f"{reader.PACKAGE}.")
    return rooms is not None and not any(place == r or place.startswith(f"{r}.") for r in rooms)


def allowed_in_core_and_stats(found: Import) -> bool:
    top = found.imported.split(".")[0]
    allowed = {"core": set(), "stats": {"numpy", "scipy"}}.get(room(found.importer))
    return allowed is None or top in allowed | {reader.PACKAGE} | set(sys.stdlib_module_names)


def heavy_at_load(file: Path) -> list[str]:
    return [str(i) for i in reader.imports_of(file, file.stem) if i.at_load and i.imported.split(".")[0] in HEAVY]


def test_every_import_follows_an_allowed_arrow() -> None:
    assert violations(SOURCE) == []


def test_every_room_has_its_level() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set().union(*LEVELS)


@pytest.mark.parametrize("file", [*ROOT.glob("dags/**/*.py"), *ROOT.glob("plugins/**/*.py")], ids=lambda f: f.name)
def test_dag_and_plugin_files_import_nothing_heavy_when_loaded(file: Path) -> None:
    assert heavy_at_load(file) == []


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import assay.serving.app", ("airflow", "sklearn", "mlflow", "great_expectations")),
        ("import assay.pipeline.dags", HEAVY),
        ("import assay.signer.server", ("airflow", *HEAVY)),
        ("import assay.cli", ("airflow", *HEAVY)),
        *(
            (f"import assay.{name}", ("airflow", *HEAVY))
            for name in ("core", "policy", "gates", "registry", "rollout", "evidence")
        ),
    ],
)
def test_what_is_loaded_in_the_end(statement: str, unwanted: tuple[str, ...]) -> None:
    script = f"{statement}\nimport sys\nprint(sorted({set(unwanted)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def plant(root: Path, **files: str) -> Path:
    for name, content in files.items():
        file = root / "assay" / (name.replace("__of__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(textwrap.dedent(content))
    (root / "assay" / "__init__.py").touch()
    return root / "assay"


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("core__of__a", "import numpy"),
        ("core__of__a", "from assay.policy import load"),
        ("policy__of__a", "from assay.stats import intervals"),
        ("stats__of__a", "import pandas"),
        ("data__of__a", "from assay import training"),
        ("gates__of__fairness", "from assay.gates import performance"),
        ("gates__of__fairness", "from assay.gates.performance import judge"),
        ("gates__of__fairness", "from .performance import judge"),
        ("gates__of__fairness", "import great_expectations.core"),
        ("registry__of__a", "from assay.rollout.store import Store"),
        ("rollout__of__a", "import mlflow.tracking"),
        ("rollout__of__a", "from assay.evidence import judging"),
        ("evidence__of__a", "def f():\n    import mlflow"),
        ("serving__of__a", "def f():\n    import sklearn"),
        ("serving__of__a", "async def f():\n    from importlib import import_module\n    import_module('mlflow')"),
        ("governance__of__a", "if True:\n    from airflow.sdk import dag"),
        ("pipeline__of__a", "from ..local import stack"),
        ("local__of__a", "from assay.cli import app"),
        ("core__of__a", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import assay.gates"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, module: str, statement: str) -> None:
    others = {"gates__of__performance": "", "training__of__a": "", "stats__of__intervals": ""}
    source = plant(tmp_path, **others, **{module: statement})
    assert len(violations(source)) == 1


def test_allowed_imports_are_not_reported(tmp_path: Path) -> None:
    source = plant(
        tmp_path,
        core__of__a="import json",
        stats__of__a="import numpy, scipy.stats\nfrom assay.core import a",
        gates__of___shared="from assay.stats import a",
        gates__of__fairness="from assay.gates import _shared\nfrom . import _shared",
        gates__of__contract="import great_expectations",
        registry__of__a="def f():\n    import mlflow",
        cli__of__a="import typer\nfrom assay.local import stack\nfrom assay.core import a",
    )
    assert violations(source) == []


def test_a_heavy_import_at_load_is_found_and_a_deferred_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "some_dag.py"
    file.write_text("try:\n    import pandas as pd\nexcept ImportError:\n    pass\ndef f():\n    import mlflow\n")
    assert heavy_at_load(file) == ["some_dag:2 imports pandas"]
