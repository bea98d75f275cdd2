"""What of the rows may be kept: consent, pseudonyms, and columns that are left out."""

import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean, problem
from assay.data.features import positives

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data


KEY_BYTES = 16
"""The least key material: 128 bits, which nobody tries out (NIST SP 800-107, section 5.3.2)."""

_MAKE = 'python -c "import secrets; print(secrets.token_hex(32))"'
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]*")
_DIFFERENT = 8  # a key of 32 random hexadecimal digits has fewer with probability 4e-8


@dataclass(kw_only=True)
class Terms:
    """The terms of a policy's data, applied batch by batch before anything is written.

    Attributes
    ----------
    data
        What the policy says.
    key
        The key of its pseudonyms; empty where it has none.
    read, refused
        How many rows were looked at, and how many of them had no consent, so far.
    """

    data: "Data"
    key: bytes = field(repr=False)
    read: int = 0
    refused: int = 0

    @classmethod
    def of(cls, data: "Data") -> "Terms":
        """The terms of a policy, with the key of its pseudonyms from the environment.

        Raises
        ------
        UserError
            When columns are to be pseudonymised and the environment holds no key, or one that could be
            guessed: whoever guesses it can tell which value each pseudonym stands for.
        """
        if not data.pseudonymize.columns:
            return cls(data=data, key=b"")
        variable = data.pseudonymize.key_env
        key = os.environ.get(variable, "")
        if weakness := _weakness(key):
            raise problem(variable, weakness, f"make one, once, and keep it for every snapshot: {_MAKE}")
        return cls(data=data, key=key.encode())

    def check_columns(self, names: list[str], subject: str) -> None:
        """See that every column that the policy names is there.

        Raises
        ------
        UserError
            Listing all that are not, each with the nearest.
        """
        data = self.data
        consent = [data.consent.column] if data.consent else []
        wanted = [*data.columns, *consent, *data.pseudonymize.columns, *data.drop]
        absent = [name for name in dict.fromkeys(wanted) if name not in names]
        if absent:
            raise UserError(
                subject,
                [Problem(path=name, message="no such column", mend=did_you_mean(name, names)) for name in absent],
            )

    def apply(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        """The rows and columns of a batch that may be kept, as they may be kept."""
        self.read += batch.num_rows
        if self.data.consent is not None:
            kept = _consented(batch.column(self.data.consent.column), self.data.consent.value)
            self.refused += batch.num_rows - kept.true_count
            batch = batch.filter(kept)
        for name in self.data.pseudonymize.columns:
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, name, pseudonyms(batch.column(at), self.key))
        return batch.drop_columns(self.data.drop) if self.data.drop else batch

    def facts(self) -> dict[str, Any]:
        """What the manifest says of them."""
        facts: dict[str, Any] = {}
        if self.data.drop:
            facts["dropped"] = list(self.data.drop)
        if self.data.pseudonymize.columns:
            columns = list(self.data.pseudonymize.columns)
            facts["pseudonymized"] = {"columns": columns, "key_check": key_check(self.key)}
        if self.data.consent is not None:
            consent = {"column": self.data.consent.column, "value": self.data.consent.value}
            facts["consent"] = {**consent, "rows_read": self.read, "rows_without": self.refused}
        return facts


def key_check(key: bytes) -> str:
    """Eight digits that tell one key from another; of a key that cannot be guessed they reveal nothing."""
    return hmac.digest(key, b"assay.pseudonym.key", "sha256").hex()[:8]


def rekeyed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The columns whose cells are written in another way in one of two manifests than in the other, by name.

    They are pseudonyms under different keys, or in one of both alone: no value can be found again, and
    nothing about people has changed.
    """
    one, other = (_key_of_each(manifest.get("pseudonymized", {})) for manifest in (before, after))
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _key_of_each(pseudonymized: Mapping[str, Any]) -> dict[str, str]:
    return dict.fromkeys(pseudonymized.get("columns", ()), str(pseudonymized.get("key_check")))


def _weakness(key: str) -> str:
    """What is wrong with a key, without a word of it; empty where nothing is."""
    if not key:
        return "the environment holds no key for pseudonyms"
    if key != key.strip():
        return "the key for pseudonyms begins or ends with white space, which gets lost where it is copied"
    if (material := _material(key)) < KEY_BYTES:
        return f"the key for pseudonyms holds {material} bytes of key material at most; it needs {KEY_BYTES} or more"
    if len(set(key)) < _DIFFERENT or key in (key + key)[1:-1]:
        return "the key for pseudonyms repeats itself; it has to be random"
    return ""


def _material(key: str) -> int:
    """The bytes that a text can stand for: two hexadecimal digits are one, four base64 characters are three."""
    if _HEXADECIMAL.fullmatch(key):
        return len(key) // 2
    return len(key.rstrip("=")) * 3 // 4 if _BASE64.fullmatch(key) else len(key.encode())


def pseudonyms(column: "pa.Array", key: bytes) -> "pa.Array":
    """HMAC-SHA-256 of each cell's text under `key`, in 64 hexadecimal digits; null stays null.

    Equal cells have equal pseudonyms, in every column and every snapshot under the same key; without
    the key nobody can tell which value a pseudonym stands for, nor make one.

    References
    ----------
    Krawczyk, Bellare and Canetti (1997), HMAC: Keyed-Hashing for Message Authentication, RFC 2104.

    Examples
    --------
    >>> import pyarrow as pa
    >>> [cell and cell[:8] for cell in pseudonyms(pa.array(["ann", None, "ann"]), b"key").to_pylist()]
    ['9d77c318', None, '9d77c318']
    """
    import pyarrow as pa

    coded = column.dictionary_encode()
    hashed = [hmac.new(key, _text(cell), hashlib.sha256).hexdigest() for cell in coded.dictionary.to_pylist()]
    return pa.array(hashed, pa.string()).take(coded.indices)


def _text(cell: Any) -> bytes:
    if isinstance(cell, bytes):
        return cell
    return ("true" if cell else "false").encode() if isinstance(cell, bool) else str(cell).encode()


def _consented(column: "pa.Array", value: str | int | bool) -> "pa.BooleanArray":
    import pyarrow as pa

    coded = column.dictionary_encode()
    try:
        alike = positives(coded.dictionary, value)
    except ValueError:
        raise problem("data.consent", f"its column has type {column.type}, which is neither text nor number") from None
    return pa.array(alike, pa.bool_()).take(coded.indices).fill_null(False)


def kept_batches(terms: Terms, batches: "Iterator[pa.RecordBatch]", subject: str) -> "Iterator[pa.RecordBatch]":
    """Apply the terms to every batch, having seen by the first that all columns are there."""
    for number, batch in enumerate(batches):
        if number == 0:
            terms.check_columns(batch.schema.names, subject)
        yield terms.apply(batch)
