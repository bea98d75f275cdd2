"""Canonical JSON as RFC 8785 has it, and digests that hang on content alone."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import canonical_json, sha256_bytes, sha256_file, sha256_json, sha256_tree

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(  # RFC 8785, appendix B
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_as_the_standard_prints_them(bits, text):
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()


def test_keys_are_sorted_by_their_utf_16_units():
    """RFC 8785, section 3.2.3."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = json.loads(canonical_json(dict.fromkeys(keys, 0)), object_pairs_hook=list)
    assert [key for key, _ in written] == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_strings_as_the_standard_prints_them():
    assert canonical_json('\u20ac$\u000f\nA\'B"\\\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()


@given(values)
def test_what_is_written_reads_back_and_writes_the_same(value):
    written = canonical_json(value)
    assert json.loads(written) == value
    assert canonical_json(json.loads(written)) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_reads_back_and_writes_the_same(value):
    """Also where it is written in digits alone, so that Python reads an integer."""
    written = canonical_json(value)
    assert float(json.loads(written)) == value
    assert canonical_json(json.loads(written)) == written


@given(st.dictionaries(st.text(max_size=3), st.integers(-9, 9)))
def test_the_order_of_keys_does_not_matter(value):
    assert sha256_json(value) == sha256_json(dict(reversed(value.items())))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 2**53 + 1, -(2**53) - 1, 10**400])
def test_numbers_that_readers_disagree_about_are_refused(bad):
    with pytest.raises(ValueError, match="JSON form"):
        canonical_json([bad])


@pytest.mark.parametrize("bad", [{1: 2}, {"a": b"x"}, object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(bad):
    with pytest.raises(TypeError):
        canonical_json(bad)


def test_a_tree_is_its_names_and_contents(tmp_path):
    (tmp_path / "b").mkdir()
    files = [tmp_path / "a", tmp_path / "b" / "c"]
    for file in files:
        file.write_text(file.name)
    digest = sha256_tree(tmp_path, files)
    assert digest == sha256_tree(tmp_path, reversed(files))
    assert sha256_file(files[0]) == sha256_bytes(b"a")
    files[1].write_text("changed")
    assert sha256_tree(tmp_path, files) != digest
