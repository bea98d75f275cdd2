"""The gateway's own copies of the models."""

from pathlib import Path

import pytest
from tests.serving.support import Stand, onnx_model, signature

from assay.core import UnavailableError, UserError
from assay.registry.artifacts import MissingError, TamperedError
from assay.registry.keys import rotate_keys
from assay.registry.signing import SIGNATURE, SignatureError
from assay.serving.artifacts import Artifacts, WrongModelError


def artifacts(stand: Stand, cache: Path) -> Artifacts:
    return Artifacts(cache=cache, settings=stand.settings)


def served_signature(stand: Stand, ref) -> str:
    """Where the server keeps the signature of a version."""
    return f"{ref.path.rpartition('/')[0]}/{SIGNATURE}"


def test_a_copy_is_used_without_asking_again_and_replaced_when_it_is_spoiled(stand: Stand, tmp_path: Path) -> None:
    ref = stand.ref(1, onnx_model())
    loader = artifacts(stand, tmp_path / "cache")
    for _ in range(2):
        assert loader.load(ref).model.digest == ref.digest
        assert len(stand.artifacts.asked) == 2  # the model and its signature
    files = sorted((tmp_path / "cache").iterdir())
    assert [file.name for file in files] == [f"{ref.digest}.onnx", f"{ref.digest}.sig"]
    for times, file in enumerate(files, start=2):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"x")
        assert loader.load(ref).model.digest == ref.digest
        assert len(stand.artifacts.asked) == 2 * times
        assert file.read_bytes() == content


def test_a_copy_is_verified_again_without_the_server(stand: Stand, tmp_path: Path) -> None:
    ref = stand.ref(1, onnx_model())
    loader = artifacts(stand, tmp_path / "cache")
    loader.load(ref)
    stand.artifacts.stop()
    assert loader.load(ref).model.digest == ref.digest
    rotate_keys(stand.private, after=0)
    (stand.keys / "trusted.json").write_bytes((stand.private / "trusted.json").read_bytes())
    assert loader.load(ref).model.digest == ref.digest  # a rotated key's signatures count
    (stand.keys / "trusted.json").write_text("[]")
    with pytest.raises(UnavailableError):  # a copy that nobody trusted vouches for is none
        loader.load(ref)


def test_a_copy_that_cannot_be_kept_costs_no_answer_and_leaves_nothing(
    stand: Stand, tmp_path: Path, caplog, monkeypatch
):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    ref = stand.ref(1, onnx_model())
    monkeypatch.setattr("os.fsync", full)
    assert artifacts(stand, tmp_path / "cache").load(ref).model.digest == ref.digest
    assert list((tmp_path / "cache").iterdir()) == []
    assert "No space left on device" in caplog.text


def test_what_is_not_the_version_s_is_refused_and_not_kept(stand: Stand, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(TamperedError, match="has SHA-256"):
        artifacts(stand, cache).load(stand.ref(1, onnx_model(), digest="ab" * 32))
    assert not cache.exists()
    with pytest.raises(WrongModelError, match='this is a model "other", not "income"'):
        artifacts(stand, cache).load(stand.ref(2, onnx_model(model="other")))


def test_a_model_that_no_trusted_key_signed_is_refused_and_not_kept(stand: Stand, tmp_path: Path) -> None:
    cache, content = tmp_path / "cache", onnx_model()
    ref = stand.ref(1, content)
    of_another = signature(stand.private, onnx_model(bias=1.0))
    for given, said in (
        (signature(tmp_path / "strangers", content), r"model\.sig was made by an unknown key"),
        (of_another, r"model\.onnx has SHA-256 .* as signed"),
        (of_another[:-9] + b"x" + of_another[-8:], r"model\.sig"),
        (b"", r"model\.sig is not a signature"),
        (None, "the model is not signed"),
    ):
        stand.artifacts.files[served_signature(stand, ref)] = given
        with pytest.raises(SignatureError, match=f"^{ref.path}: .*{said}"):
            artifacts(stand, cache).load(ref)
    assert not cache.exists()


def test_a_file_that_is_gone_is_told_from_a_server_that_is(stand: Stand, tmp_path: Path) -> None:
    ref = stand.ref(1, onnx_model())
    del stand.artifacts.files[ref.path]
    with pytest.raises(MissingError, match=f"answers 404 for {ref.path}"):
        artifacts(stand, tmp_path / "cache").load(ref)
    stand.artifacts.stop()
    with pytest.raises(UnavailableError, match="does not answer") as error:
        artifacts(stand, tmp_path / "cache").load(ref)
    assert not isinstance(error.value, MissingError)


def test_without_public_keys_nothing_is_loaded(stand: Stand, tmp_path: Path) -> None:
    ref = stand.ref(1, onnx_model())
    loader = artifacts(stand, tmp_path / "cache")
    loader.load(ref)
    (stand.keys / "trusted.json").unlink()
    with pytest.raises(UserError, match=r"trusted\.json: no such file"):
        loader.load(ref)
