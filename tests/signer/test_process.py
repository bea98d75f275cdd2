"""The signer as a process of its own: killed, started again, its keys rotated while others write."""

import signal
import subprocess
import sys
import threading

import pytest
from tests.signer.support import Chain, environment_of, installation, journal_of, process

from assay.core import UnavailableError
from assay.registry.keys import PLATFORM, Keyring, record_message, rotate_keys
from assay.registry.private_keys import KeyFiles
from assay.registry.signer_client import NotNextError


@pytest.fixture
def settings(tmp_path):
    return installation(tmp_path)


def run(settings, *arguments, **more):
    command = [sys.executable, "-m", "assay", *arguments]
    environment = environment_of(settings, **more)
    return subprocess.run(command, env=environment, cwd=settings.home, capture_output=True, text=True, check=False)


def test_a_killed_signer_is_unavailable_and_the_same_record_is_signed_by_the_next(settings):
    chain = Chain(settings)
    with process(settings) as child:
        chain.add(chain.next_event())
        child.send_signal(signal.SIGKILL)
        child.wait()
        record = chain.next_event()
        with pytest.raises(UnavailableError, match=r"the signer at unix:.* does not answer"):
            chain.add(record)
    with (settings.home / "private" / "signatures.jsonl").open("ab") as stream:
        stream.write(b'{"half a li')  # as a kill in the middle of a line would leave it
    with process(settings):
        chain.add(record)
    lines = (settings.home / "private" / "signatures.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert record.digest in lines[-1]
    chain.anchors.engine.dispose()


def test_a_second_signer_does_not_start_on_the_same_log(settings):
    with process(settings):
        second = run(settings, "signer", "--socket", str(settings.home / "other.sock"))
    assert (second.returncode, second.stdout) == (4, "")
    assert "another signer is at work with these keys" in second.stderr


def test_it_ends_when_asked_to_and_holds_the_database_for_reading_only(settings):
    with process(settings) as child:
        chain = Chain(settings)
        chain.add(chain.next_event())
        chain.anchors.engine.dispose()
        child.terminate()
        assert child.wait(30) == 0
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    from assay.rollout import open_database

    engine = open_database(settings.operations_db, read_only=True)
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("INSERT INTO deployment DEFAULT VALUES"))
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "more", "said"),
    [
        (["--socket", "x", "--listen", "127.0.0.1:0"], {}, "listens either on --socket or on --listen"),
        (["--listen", "8020"], {}, "'8020' is not an address"),
        (["--listen", "127.0.0.1:0"], {}, "ASSAY_SIGNER_TOKEN: must be at least 32"),
        (["--listen", "127.0.0.1:0"], {"ASSAY_SIGNER_TOKEN": "short"}, "ASSAY_SIGNER_TOKEN: must be at least 32"),
        ([], {"ASSAY_SIGNER_UIDS": "1, nobody, -2"}, "'nobody' is not the number of a user"),
        ([], {"ASSAY_SIGNER_TLS_CERT": "x"}, "ASSAY_SIGNER_TLS_KEY: is not set"),
        ([], {"ASSAY_KEYS": "/nowhere"}, "assay keys init"),
        ([], {"ASSAY_PKCS11_MODULE": "x"}, "ASSAY_PKCS11_TOKEN: is not set"),
    ],
)
def test_what_it_cannot_start_with_is_said(settings, arguments, more, said):
    ended = run(settings, "signer", *arguments, **more)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_are_rotated_while_others_write(settings):
    """No writer fails, and every signature is by a key that was in use at some time."""
    stop, failed, signed = threading.Event(), [], []

    def write(chain):
        try:
            while not stop.is_set():
                record = chain.next_event()
                signed.append((chain, record, chain.add(record)))
        except Exception as error:
            failed.append(error)

    chains = [Chain(settings) for _ in range(3)]
    with process(settings):
        threads = [threading.Thread(target=write, args=[chain]) for chain in chains]
        for thread in threads:
            thread.start()
        for count in (5, 25, 45):
            while len(signed) < count and not failed:
                stop.wait(0.01)
            rotate_keys(settings.keys, after=chains[0].anchors.last().seq, private=KeyFiles(settings.home / "private"))
        while len(signed) < 60 and not failed:
            stop.wait(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    keyring = Keyring.open(settings.keys)
    assert len({signature.key for _, _, signature in signed}) == 4
    for chain, record, signature in signed:
        (anchor,) = [each for each in chain.anchors.of(chain.dossier) if each.digest == record.digest]
        message = record_message(chain.dossier, anchor.number, record.digest)
        assert keyring.doubt(message, signature, seq=0, owner=PLATFORM) == ""
    assert len(journal_of(settings)) >= len(signed)
    for chain in chains:
        chain.anchors.engine.dispose()


def test_an_interrupted_rotation_is_for_later_and_run_again(settings, monkeypatch):
    from assay.registry import private_keys

    chain = Chain(settings)
    keys = KeyFiles(settings.home / "private")
    with process(settings):
        monkeypatch.setattr(private_keys, "write_private_key", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(settings.keys, after=0, private=keys)
        monkeypatch.undo()
        with pytest.raises(UnavailableError, match=r"was rotated out.*assay keys rotate"):
            chain.add(chain.next_event())
        rotate_keys(settings.keys, after=0, private=keys)
        assert chain.add(chain.next_event())
    chain.anchors.engine.dispose()


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_database_without_the_dossier_s_anchors_signs_nothing_that_goes_on(settings, tmp_path):
    elsewhere = installation(tmp_path / "elsewhere")
    chain = Chain(settings)
    with process(settings, ASSAY_OPERATIONS_DB=elsewhere.operations_db):
        chain.add(chain.next_event())
        with pytest.raises(NotNextError, match="record 2 does not follow record 0"):
            chain.add(chain.next_event())
    with process(settings, ASSAY_OPERATIONS_DB=f"sqlite:///{tmp_path / 'none.db'}"):
        with pytest.raises(UnavailableError, match="the operations database"):
            chain.add(chain.next_event())
        assert not (tmp_path / "none.db").exists()
    chain.anchors.engine.dispose()
