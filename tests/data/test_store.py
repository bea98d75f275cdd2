"""What a `Store` promises, of a folder and of an object store alike; and what an object store refuses."""

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.objects import KEYS

from assay.core import UnavailableError, UserError, sha256_bytes
from assay.data import cache
from assay.data.store import DamagedError, models_in, store_of
from assay.data.store_remote import RemoteStore


@pytest.fixture(params=["folder", "object store"])
def root(request, tmp_path):
    return str(tmp_path / "root") if request.param == "folder" else request.getfixturevalue("remote_root")


def brought(store, path, content=b"rows"):
    store.workspace().mkdir(parents=True, exist_ok=True)
    file = store.workspace() / "draft"
    file.write_bytes(content)
    store.bring(file, path)
    assert not file.exists()
    return sha256_bytes(content)


def test_small_files(root):
    store = store_of(root, "loan")
    assert store.read("a/b.json") is None
    assert not store.exists("a/b.json")
    assert store.names("a") == []
    store.write("a/b.json", b"1")
    store.write("a/b.json", b"2")
    store.write("a/c/d.json", b"3")
    store.write("a/.hidden", b"4")
    assert store.read("a/b.json") == b"2"
    assert store.exists("a/b.json")
    assert not store.exists("a")
    assert store.names("a") == ["b.json", "c"]
    assert store.names("") == ["a"]
    assert store.names("a/b") == []
    assert models_in(root) == ["loan"]
    store.remove("a/b.json")
    store.remove("a/b.json")
    assert store.names("a") == ["c"]
    assert store_of(root, "other").names("a") == []


def test_a_file_is_exchanged_only_for_what_is_there(root):
    store = store_of(root, "loan")
    assert not store.exchange("m.json", b"old", b"new")
    assert store.exchange("m.json", None, b"1")
    assert not store.exchange("m.json", None, b"2")
    assert not store.exchange("m.json", b"0", b"2")
    assert store.read("m.json") == b"1"
    assert store.exchange("m.json", b"1", b"2")
    assert store.read("m.json") == b"2"


@pytest.mark.parametrize("old", [None, b"0"])
def test_one_of_many_that_write_at_once_wins(remote_root, old):
    if old is not None:
        store_of(remote_root, "loan").write("m.json", old)
    start, won = threading.Barrier(8), []

    def write(at):
        store = store_of(remote_root, "loan")
        start.wait(30)
        if store.exchange("m.json", old, b"by %d" % at):
            won.append(at)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store_of(remote_root, "loan").read("m.json")] == [b"by %d" % at for at in won]


def test_an_answer_that_was_lost_is_no_loss(remote_root, monkeypatch):
    put = RemoteStore._put

    def put_twice(store, path, content, mode):  # as a client does whose connection broke
        put(store, path, content, mode)
        put(store, path, content, mode)

    monkeypatch.setattr(RemoteStore, "_put", put_twice)
    store = store_of(remote_root, "loan")
    assert store.exchange("m.json", None, b"1")
    assert store.exchange("m.json", b"1", b"2")
    assert not store.exchange("m.json", b"1", b"3")
    assert store.read("m.json") == b"2"
    store.prepare()


def test_large_files(root):
    store, read = store_of(root, "loan"), []
    content = os.urandom(1 << 20) * 20  # more than goes up in one piece
    digest = brought(store, "table/0.parquet", content)
    copy, found = store.now("table/0.parquet", read=read.append)
    assert (copy.read_bytes() == content, found, sum(read)) == (True, digest, len(content))
    assert store.fetch("table/0.parquet", digest) == store.at("table/0.parquet", digest) == copy


def test_another_content_and_a_missing_file_are_named(root):
    store = store_of(root, "loan")
    brought(store, "table/0.parquet", b"other")
    with pytest.raises(DamagedError, match=r"/loan/table/0\.parquet: was changed") as changed:
        store.fetch("table/0.parquet", sha256_bytes(b"rows"))
    assert (changed.value.place, changed.value.found) == (store.place("table/0.parquet"), sha256_bytes(b"other"))
    store.remove("table/0.parquet")
    for ask in (lambda: store.now("table/0.parquet"), lambda: store.fetch("table/0.parquet", "0" * 64)):
        with pytest.raises(DamagedError, match=r"/loan/table/0\.parquet: is missing") as missing:
            ask()
        assert missing.value.found is None


def test_a_copy_is_not_trusted_and_goes_after_a_week(remote_root):
    store = store_of(remote_root, "loan")
    digest, other = brought(store, "0.parquet"), brought(store, "1.parquet", b"others")
    copy = store.fetch("0.parquet", digest)
    copy.write_bytes(b"swor")
    assert store.fetch("0.parquet", digest).read_bytes() == b"rows"
    store.remove("0.parquet")
    assert store.fetch("0.parquet", digest) == copy  # known by its content, whatever became of the store
    with pytest.raises(DamagedError, match="is missing"):
        store.fetch("0.parquet", digest, fresh=True)
    (copy.parent / ".fetched-by-a-process-that-was-killed").write_bytes(b"ro")
    for each in copy.parent.iterdir():
        os.utime(each, (0, each.stat().st_mtime - cache.WEEK - 60))
    assert store.fetch("1.parquet", other).parent == copy.parent
    assert [each.name for each in copy.parent.iterdir()] == [f"{other}.parquet"]


def test_a_file_url_is_a_folder(tmp_path):
    store = store_of((tmp_path / "with space").as_uri(), "loan")
    assert store == store_of(str(tmp_path / "with space"), "loan")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/snapshots", r'cannot be kept at "ftp://" \(give a folder, or a URL of file://, s3://'),
        ("memory://snapshots", 'cannot be kept at "memory://"'),
        ("http://ann:hush@[snapshots", r"^http://\.\.\.: is no URL"),
        ("", "is empty"),
        ("s3://user:hunter2@bucket/x", "s3://bucket/x: holds more than a place"),
        ("s3://hunter2@bucket/x", "s3://bucket/x: holds more than a place"),
        ("abfss://user:hunter2@account.dfs.core.windows.net/x", "holds more than a place"),
        ("s3://bucket/x?token=hunter2", "s3://bucket/x: holds more than a place"),
        ("s3:///x", "names no bucket"),
    ],
)
def test_a_url_that_is_no_root_is_refused(url, message):
    with pytest.raises(UserError, match=message) as caught:
        store_of(url, "loan")
    assert "hunter2" not in str(caught.value)


def test_a_container_of_an_account_is_a_root():
    root = "abfss://container@account.dfs.core.windows.net/x"
    assert store_of(f"{root}/", "loan").place("table") == f"{root}/loan/table"


def everything(store):
    yield lambda: store.prepare()
    yield lambda: store.read("a.json")
    yield lambda: store.exists("a.json")
    yield lambda: store.names("a")
    yield lambda: store.write("a.json", b"1")
    yield lambda: store.exchange("a.json", b"0", b"1")
    yield lambda: store.remove("a.json")
    yield lambda: store.now("a.parquet")
    yield lambda: store.fetch("a.parquet", "0" * 64)


def answers(status, body=b""):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"0"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    for method in ("GET", "PUT", "HEAD", "DELETE", "POST"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler


@contextmanager
def stubbed(monkeypatch, tmp_path, handler, keys=KEYS):
    """A store that says one thing, whatever it is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {**keys, "AWS_ENDPOINT_URL": address, "ASSAY_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    try:
        yield store_of("s3://bucket/root", "loan")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def test_a_store_that_denies_is_told_in_one_line(monkeypatch, tmp_path):
    with stubbed(monkeypatch, tmp_path, answers(403, DENIED)) as store:
        for ask in everything(store):
            with pytest.raises(UserError, match="s3://bucket/root: the store refuses") as caught:
                ask()
            assert "\n" not in str(caught.value)
            assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


def test_a_store_that_breaks_is_unavailable(monkeypatch, tmp_path):
    with stubbed(monkeypatch, tmp_path, answers(503)) as store:
        for ask in (lambda: store.read("a.json"), lambda: store.write("a.json", b"1")):
            with pytest.raises(UnavailableError, match="s3://bucket/root/loan") as caught:
                ask()
            assert "\n" not in str(caught.value)


def test_a_store_that_is_down_is_unavailable(monkeypatch, tmp_path):
    with stubbed(monkeypatch, tmp_path, answers(200)) as store:
        pass
    with pytest.raises(UnavailableError, match=r"reading s3://bucket/root/loan/a\.json failed: .*sending request"):
        store.read("a.json")


def test_a_store_without_conditional_writes_is_refused(monkeypatch, tmp_path):
    with (
        stubbed(monkeypatch, tmp_path, answers(200)) as store,
        pytest.raises(UserError, match="does not know conditional writes"),
    ):
        store.prepare()


@pytest.mark.parametrize(
    ("set_", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "half-a-pair"}, "cannot be reached with what the environment says: .*SecretAccessKey"),
        ({}, r"there are no credentials for it.* \(credentials are read from the environment"),
    ],
)
def test_without_credentials_it_says_so(monkeypatch, set_, message):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**set_, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        store_of("s3://bucket/root", "loan").read("a.json")
