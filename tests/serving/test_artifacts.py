"""The gateway's own copies of the models."""

from pathlib import Path

import pytest
from tests.serving.support import Stand, onnx_model

from assay.registry.artifacts import TamperedError
from assay.serving.artifacts import Artifacts, WrongModelError


def artifacts(stand: Stand, cache: Path) -> Artifacts:
    return Artifacts(cache=cache, tracking_uri=stand.artifacts.url)


def test_a_copy_is_used_without_asking_again_and_replaced_when_it_is_spoiled(stand: Stand, tmp_path: Path) -> None:
    ref = stand.ref(1, onnx_model())
    loader = artifacts(stand, tmp_path / "cache")
    for asked in (1, 1):
        assert loader.load(ref).model.digest == ref.digest
        assert len(stand.artifacts.asked) == asked
    (tmp_path / "cache" / f"{ref.digest}.onnx").write_bytes(b"spoiled")
    assert loader.load(ref).model.digest == ref.digest
    assert len(stand.artifacts.asked) == 2


def test_a_copy_that_cannot_be_kept_costs_no_answer_and_leaves_nothing(
    stand: Stand, tmp_path: Path, caplog, monkeypatch
):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    ref = stand.ref(1, onnx_model())
    assert artifacts(stand, tmp_path / "cache").load(ref).model.digest == ref.digest
    assert list((tmp_path / "cache").iterdir()) == []
    assert "No space left on device" in caplog.text


def test_what_is_not_the_version_s_is_refused_and_not_kept(stand: Stand, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(TamperedError, match="has SHA-256"):
        artifacts(stand, cache).load(stand.ref(1, onnx_model(), digest="ab" * 32))
    with pytest.raises(WrongModelError, match='this is a model "other", not "income"'):
        artifacts(stand, cache).load(stand.ref(2, onnx_model(model="other")))
    assert not (cache / f"{'ab' * 32}.onnx").exists()
