import hashlib
import hmac
import re
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from datetime import date
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import UserError
from assay.data.snapshots import create_snapshot
from assay.data.terms import Terms, pseudonyms, rekeyed
from assay.policy import Consent, Data, Pseudonymize

KEY = "a key that nobody else has"
ROWS = pa.table(
    {
        "id": [1, 2, 3, 4, 5],
        "y": ["yes", "no", "yes", "no", "yes"],
        "a": [1, 2, 3, 4, 5],
        "mail": ["ann@x.org", None, "bob@x.org", "ann@x.org", "eve@x.org"],
        "agreed": ["y", "y", "n", "y", None],
        "phone": ["1", "2", "3", "4", "5"],
    }
)


def take(tmp_path, rows=ROWS, **more):
    pq.write_table(rows, tmp_path / "t.parquet")
    plain = {"source": "t.parquet", "key": "id", "label": "y", "positive": "yes", "features": ["a"], "sensitive": ["a"]}
    data = Data(**plain, **more)
    return create_snapshot(source=data.source, base=tmp_path, data=data, model="m", root=str(tmp_path / "root"))


def everything_below(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_is_dropped_is_nowhere(tmp_path):
    taken = take(tmp_path, drop=["mail", "phone"])
    assert taken.table().column_names == ["id", "y", "a", "agreed"]
    assert taken.manifest["dropped"] == ["mail", "phone"]
    assert b"@x.org" not in everything_below(tmp_path / "root")


def test_only_rows_with_consent_enter_and_the_others_are_counted(tmp_path):
    taken = take(tmp_path, consent=Consent(column="agreed", value="y"), drop=["agreed"])
    assert taken.table()["id"].to_pylist() == [1, 2, 4]
    assert taken.manifest["consent"] == {"column": "agreed", "value": "y", "rows_read": 5, "rows_without": 2}
    stored = everything_below(tmp_path / "root")
    assert b"bob@x.org" not in stored
    assert b"eve@x.org" not in stored


@pytest.mark.parametrize(("cells", "value"), [([1, 0, None, 1, 1], 1), ([True, False, None, True, True], True)])
def test_consent_may_be_a_number_or_a_truth(tmp_path, cells, value):
    rows = ROWS.set_column(4, "agreed", pa.array(cells))
    assert take(tmp_path, rows, consent=Consent(column="agreed", value=value)).table()["id"].to_pylist() == [1, 4, 5]


def test_nobodys_consent_is_told(tmp_path):
    with pytest.raises(UserError, match='no row has the consent "Y" in agreed; 5 were read'):
        take(tmp_path, consent=Consent(column="agreed", value="Y"))
    assert not (tmp_path / "root").exists()


def test_a_pseudonym_is_the_keyed_hash_of_the_text(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", KEY)
    taken = take(tmp_path, pseudonymize=["mail", "id"])

    def hashed(text):
        return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()

    mails = ROWS["mail"].to_pylist()
    assert taken.table()["mail"].to_pylist() == [mail and hashed(mail) for mail in mails]
    assert taken.table()["id"].to_pylist() == [hashed(str(i)) for i in range(1, 6)]
    stored = everything_below(tmp_path / "root")
    assert b"@x.org" not in stored
    assert KEY.encode() not in stored


def test_the_same_key_gives_the_same_snapshot_and_another_key_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    terms = {"pseudonymize": Pseudonymize(columns=["mail"], key_env="MY_KEY")}
    first = take(tmp_path, **terms)
    assert take(tmp_path, **terms).manifest == first.manifest
    monkeypatch.setenv("MY_KEY", "another key that nobody has")
    second = take(tmp_path, **terms)
    assert second.id != first.id
    checks = {each.manifest["pseudonymized"]["key_check"] for each in (first, second)}
    assert len(checks) == 2


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("hunter", "holds 4 bytes of key material at most; it needs 16 or more"),
        ("0123456789abcdef0123456789abcd", "holds 15 bytes of key material at most"),
        ("correcthorsebattery", "holds 14 bytes of key material at most"),
        ("pass word pass!", "holds 15 bytes of key material at most"),
        ("a" * 64, "repeats itself; it has to be random"),
        ("0123456789abcdef" * 4, "repeats itself; it has to be random"),
        ("change me! " * 3 + "change me! ", "begins or ends with white space"),
        ("c0ffee15bad0123456789abcdef98765" + "\n", "begins or ends with white space"),
    ],
)
def test_a_key_that_could_be_guessed_is_refused_and_never_shown(tmp_path, monkeypatch, key, told):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", key)
    with pytest.raises(UserError) as raised:
        take(tmp_path, pseudonymize=["mail"])
    (problem,) = raised.value.problems
    assert problem.path == "ASSAY_PSEUDONYM_KEY"
    assert told in problem.message
    assert key.strip() not in str(raised.value)
    assert 'python -c "import secrets; print(secrets.token_hex(32))"' in problem.mend
    assert not (tmp_path / "root").exists()


@given(st.integers(16, 64), st.sampled_from(["hex", "upper hex", "base64", "base64url"]), st.integers(0, 10**6))
def test_a_random_key_of_128_bits_is_good_enough_however_it_is_written(size, form, seed):
    raw = Random(seed).randbytes(size)
    key = {
        "hex": raw.hex(), "base64": b64encode(raw).decode(), "base64url": urlsafe_b64encode(raw).decode().rstrip("="),
        "upper hex": raw.hex().upper(),
    }[form]  # fmt: skip
    terms = {"source": "x", "key": "id", "label": "y", "positive": "yes", "features": ["a"], "sensitive": ["a"]}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ASSAY_PSEUDONYM_KEY", key)
        assert Terms.of(Data(**terms, pseudonymize=["mail"])).key == key.encode()


def test_the_advice_makes_a_key_that_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "")
    with pytest.raises(UserError) as raised:
        take(tmp_path, pseudonymize=["mail"])
    advice = re.search('python -c "(.*)"', str(raised.value))[1]
    made = subprocess.run([sys.executable, "-c", advice], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", made)
    assert take(tmp_path, pseudonymize=["mail"]).rows == 5


def manifest(columns, check):
    return {"pseudonymized": {"columns": columns, "key_check": check}}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (manifest(["a", "b"], "1"), manifest(["b", "a"], "1"), []),
        (manifest(["a", "b"], "1"), manifest(["a", "b"], "2"), ["a", "b"]),
        (manifest(["a", "b"], "1"), manifest(["b"], "1"), ["a"]),
        ({}, manifest(["b"], "1"), ["b"]),
        ({}, {}, []),
    ],
)
def test_columns_are_rekeyed_where_key_or_treatment_differs(before, after, told):
    assert rekeyed(before, after) == rekeyed(after, before) == told


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_nothing_is_read(tmp_path, monkeypatch, key):
    monkeypatch.delenv("ASSAY_PSEUDONYM_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", key)
    with pytest.raises(UserError, match="ASSAY_PSEUDONYM_KEY: the environment holds no key"):
        take(tmp_path, pseudonymize=["mail"])
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    "cells",
    [["a", None, "a"], [1, None, 1], [True, None, True], [b"\xff", None, b"\xff"]],
    ids=lambda each: str(each[0]),
)
def test_equal_cells_have_equal_pseudonyms_and_null_has_none(cells):
    one, none, other = pseudonyms(pa.array(cells), b"k").to_pylist()
    assert none is None
    assert one == other
    assert len(one) == 64


def test_every_absent_column_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", KEY)
    with pytest.raises(UserError) as caught:
        take(tmp_path, drop=["fone"], pseudonymize=["male"], consent=Consent(column="agrees", value="y"), time="att")
    assert {each.path for each in caught.value.problems} == {"fone", "male", "agrees", "att"}


def test_purpose_and_the_last_day_are_recorded(tmp_path):
    manifest = take(tmp_path, purpose="credit scoring", keep_days=30).manifest
    assert manifest["purpose"] == "credit scoring"
    began, until = manifest["extracted_at"][:10], manifest["keep_until"]
    assert (date.fromisoformat(until) - date.fromisoformat(began)).days == 30
    assert len(manifest["code_version"]) == 64
