"""What of the rows may be kept: consent, pseudonyms, and columns that are left out."""

import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean, problem
from assay.data.features import positives

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data


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
            When columns are to be pseudonymised and the environment holds no key.
        """
        variable = data.pseudonymize.key_env
        key = os.environ.get(variable, "").encode() if data.pseudonymize.columns else b""
        if data.pseudonymize.columns and not key:
            mend = "set it to a secret of at least 32 random bytes, the same for every snapshot"
            raise problem(variable, "the environment holds no key for pseudonyms", mend)
        return cls(data=data, key=key)

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
            check = hmac.digest(self.key, b"assay.pseudonym.key", "sha256").hex()[:8]
            facts["pseudonymized"] = {"columns": list(self.data.pseudonymize.columns), "key_check": check}
        if self.data.consent is not None:
            consent = {"column": self.data.consent.column, "value": self.data.consent.value}
            facts["consent"] = {**consent, "rows_read": self.read, "rows_without": self.refused}
        return facts


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
