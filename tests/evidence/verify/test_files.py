"""Every byte of the model, of its data and of the copies counts."""

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.evidence.verify.support import at, found, missed, missed_alone
from tests.evidence.whole import added, changed, missing

from assay.core import sha256_file

pytestmark = pytest.mark.stack


def test_any_byte_of_the_model_counts(run, candidate):
    chance = random.Random(11)
    every = [file for file in candidate.rglob("*") if file.is_file()]
    assert {file.name for file in every} >= {"model.onnx", "model.sig", "MLmodel", "model.skops"}

    def named(file):
        return file.relative_to(candidate).as_posix()

    def turned():
        return [(changed(f, at(chance.randrange(f.stat().st_size))), [f"{named(f)}: has SHA-256"]) for f in every]

    extra = [candidate / "hook.py", candidate / "reference" / "other.skops"]
    assert missed(run, turned()) == []
    assert missed_alone(run, turned(), chance) == []
    assert missed(run, [(changed(f, lambda whole: whole[:-1]), [f"{named(f)}: has SHA-256"]) for f in every]) == []
    assert missed(run, [(missing(file), [f"{named(file)}: is missing"]) for file in every]) == []
    assert missed(run, [(added(file), [f"{named(file)}: was added"]) for file in extra]) == []


def test_any_byte_of_the_copies_and_of_the_card_counts(run, files):
    chance = random.Random(13)
    every = [file for folder in ("inputs", "card") for file in sorted((files / folder).iterdir())]

    def named(file):
        return f"{file.parent.name}/{file.name}"

    def turned():
        return [(changed(f, at(chance.randrange(f.stat().st_size))), [f"{named(f)}: has SHA-256"]) for f in every]

    assert missed(run, turned()) == []
    assert missed_alone(run, turned(), chance) == []
    assert missed(run, [(missing(file), [f"{named(file)}: is missing"]) for file in every]) == []
    extra = [files / "inputs" / "more.md", files / "card" / "more.md"]
    assert missed(run, [(added(file), [f"{named(file)}: was added"]) for file in extra]) == []
    broken = changed(files / "inputs" / "assay.zip", lambda _: b"PK")
    assert missed(run, [(broken, ["inputs/assay.zip: is not an archive"])]) == []


def test_any_byte_of_the_data_counts(run, model):
    chance = random.Random(17)
    folder = Path(run.settings.snapshots) / model
    (manifest,) = (folder / "manifests").glob("*.json")
    parquet = folder / json.loads(manifest.read_bytes())["files"][0]["path"]
    for file in (manifest, parquet):
        for place in [0, *(chance.randrange(file.stat().st_size) for _ in range(4))]:
            assert missed(run, [(changed(file, at(place)), [f"{file}: has SHA-256"])]) == []
        assert missed(run, [(missing(file), [f"{file}: is missing"])]) == []
    assert missed(run, [(changed(manifest, lambda _: b"[]"), [f"{manifest}: is not a manifest"])]) == []


def test_data_and_manifest_changed_together_are_found(run, model):
    folder = Path(run.settings.snapshots) / model
    (manifest,) = (folder / "manifests").glob("*.json")
    told = json.loads(manifest.read_bytes())
    parquet = folder / told["files"][0]["path"]
    table = pq.read_table(parquet)
    x = table["x"].to_pylist()
    with changed(parquet, lambda whole: whole), changed(manifest, lambda whole: whole):
        pq.write_table(table.set_column(table.column_names.index("x"), "x", [[x[0] + 1e-9, *x[1:]]]), parquet)
        told["files"][0]["sha256"] = sha256_file(parquet)
        manifest.write_text(json.dumps(told, indent=2))
        said = found(run)
        assert any(each.startswith(f"{manifest}: has SHA-256") for each in said)
        assert any(each.startswith(f"{parquet.parent}: holds rows with the digest") for each in said)
