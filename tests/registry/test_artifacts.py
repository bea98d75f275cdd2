"""Folders read from a server that may say anything."""

import httpx
import pytest

from assay.core import Settings, UnavailableError
from assay.registry import wire
from assay.registry.artifacts import fetch_folder

FILES = {"m/artifacts/MLmodel": b"flavors", "m/artifacts/reference/model.skops": b"PK", "m/artifacts/ü .onnx": b"onnx"}


def entry(name, is_dir=False):
    return {"path": name, "is_dir": is_dir, "file_size": 1}


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Answer as MLflow does, but for the listings that are given; the settings to call it with."""

    def serving(listings):
        def answer(request):
            name = request.url.path.removeprefix("/api/2.0/mlflow-artifacts/artifacts").removeprefix("/")
            if name:
                content = FILES.get(name)
                return httpx.Response(404 if content is None else 200, content=content or b"")
            given = listings.get(request.url.params["path"], {})
            return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

        client = httpx.Client(transport=httpx.MockTransport(answer))
        monkeypatch.setattr(wire, "_client", lambda _: client)
        return Settings(
            home=tmp_path, models=tmp_path, keys=tmp_path, snapshots="", operations_db="",
            tracking_uri="http://mlflow", gateway_url="", gateway_token="",
        )  # fmt: skip

    return serving


def test_all_files_below_a_folder_are_fetched(serve):
    settings = serve(
        {
            "m/artifacts": {
                "files": [entry("MLmodel"), entry("reference", True), entry("ü .onnx"), entry("empty", True)]
            },
            "m/artifacts/reference": {"files": [entry("model.skops")]},
        }
    )
    found = fetch_folder(settings, "m/artifacts")
    assert found == {name.removeprefix("m/artifacts/"): content for name, content in FILES.items()}
    assert fetch_folder(settings, "elsewhere") == {}


@pytest.mark.parametrize("name", ["..", ".", "", "../MLmodel", "/etc/passwd", "reference/model.skops"])
@pytest.mark.parametrize("is_dir", [True, False])
def test_a_name_that_leads_out_of_the_folder_is_refused(serve, name, is_dir):
    settings = serve({"m/artifacts": {"files": [entry("MLmodel"), entry(name, is_dir)]}})
    with pytest.raises(UnavailableError, match="lists a file named"):
        fetch_folder(settings, "m/artifacts")


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"files": 7},
        {"files": [7]},
        {"files": [{"path": "a"}]},
        httpx.Response(200, text="<html>"),
        httpx.Response(500),
    ],
)
def test_an_answer_that_is_no_listing_is_an_error(serve, given):
    with pytest.raises(UnavailableError, match=r"http://mlflow (does not list|answers 500 for) m/artifacts"):
        fetch_folder(serve({"m/artifacts": given}), "m/artifacts")
