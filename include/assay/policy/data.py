"""What a policy says of its data: where the rows come from, what may be kept of them, and who is tested on what."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from assay.policy.parts import Column, Columns, Part, Share

PSEUDONYM_KEY = "ASSAY_PSEUDONYM_KEY"
"""The environment variable that holds the key of pseudonyms where a policy names no other."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_USER_INFO = re.compile(r"^[a-z][a-z0-9+.\-]*://[^/?#]*@", re.IGNORECASE)
_SIGNED = re.compile(r"[?&](sig|signature|token|x-amz-[a-z\-]+|password|pwd)=", re.IGNORECASE)


def _free_of_secrets(address: str) -> str:
    """A policy is evidence that many people read: an address in it holds no credentials."""
    if _USER_INFO.match(address) or _SIGNED.search(address):
        raise ValueError("holds credentials; a policy is kept as evidence, so they belong into the environment")
    return address


Address = Annotated[str, Field(min_length=1), AfterValidator(_free_of_secrets)]


def _variable(name: str) -> str:
    """Never show what is no name: it may be the secret itself, given in the wrong place."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError("must be the name of an environment variable, such as WAREHOUSE_URL")
    return name


Variable = Annotated[str, AfterValidator(_variable)]


class DeltaSource(Part):
    """The rows of a Delta table: one version of it, or the latest when the snapshot is taken."""

    delta: Address
    version: Annotated[int, Field(ge=0)] | None = None


class SqlSource(Part):
    """The rows of a query. The environment variable `url_env` holds the SQLAlchemy URL of the database.

    Rows are kept in the order in which the database gives them: a query without ORDER BY may give
    another snapshot each time.
    """

    sql: Annotated[str, Field(min_length=1)]
    url_env: Variable


def _kind_of_source(source: Any) -> str | None:
    if isinstance(source, str):
        return "files source"
    if isinstance(source, DeltaSource) or (isinstance(source, dict) and "delta" in source):
        return "delta source"
    return "sql source" if isinstance(source, SqlSource | dict) else None


Source = Annotated[
    Annotated[Address, Tag("files source")]
    | Annotated[DeltaSource, Tag("delta source")]
    | Annotated[SqlSource, Tag("sql source")],
    Discriminator(
        _kind_of_source,
        custom_error_type="source",
        custom_error_message="must be a path, a URL, {delta: PATH, version: N} or {sql: QUERY, url_env: VARIABLE}",
    ),
]


class Pseudonymize(Part):
    """Columns whose values are replaced by a keyed hash before anything is written.

    The environment variable `key_env` holds the key. A plain list of columns is short for the usual one.
    """

    columns: Columns = []
    key_env: Variable = PSEUDONYM_KEY


def _long_form(value: object) -> object:
    return {"columns": value} if isinstance(value, list) else value


class Consent(Part):
    """Only rows whose `column` holds `value` enter a snapshot; both are compared as text."""

    column: Column
    value: str | int | bool


class Split(Part):
    """How rows are dealt to training, validation and test.

    Models are fitted on the training rows and judged on the test rows. Validation rows go to a `train`
    that names a parameter `validation`, or else are what the mitigation chooses by.

    ``random`` deals by the row's key, ``group`` keeps rows that share `column` together, ``time`` tests
    on the latest rows by `column` (or by `time`, when that is left out). With `duplicates`
    ``together``, rows whose features are the same in every cell are dealt to the same side.
    """

    by: Literal["random", "group", "time"] = "random"
    column: Column | None = None
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    test: Share = 0.3
    duplicates: Literal["apart", "together"] = "together"

    @model_validator(mode="after")
    def _whole(self) -> "Split":
        if self.validation + self.test >= 1:
            taken = self.validation + self.test
            raise ValueError(f"validation and test take {taken:g}, which leaves nothing to train on")
        if self.by == "group" and self.column is None:
            raise ValueError("a split by group needs column: whose rows stay together")
        if self.by == "random" and self.column is not None:
            raise ValueError("a random split goes by the key; column belongs to a split by group or by time")
        return self


class Data(Part):
    """Which rows and columns the model is made from.

    `mutable` names the features that a person could change: what a counterfactual may vary. Columns
    under `drop` and rows without `consent` never enter a snapshot. `time` is when a row came about.
    `holdout` is the share that is held out of training at random, where no `split` says otherwise.
    """

    source: Source
    key: Column
    label: Column
    positive: str | int | bool
    features: Annotated[Columns, Field(min_length=1)]
    sensitive: Annotated[Columns, Field(min_length=1)]
    mutable: Columns = []
    holdout: Share = 0.3
    split: Split | None = None
    time: Column | None = None
    purpose: str = ""
    drop: Columns = []
    pseudonymize: Annotated[
        Pseudonymize, BeforeValidator(_long_form, json_schema_input_type=Columns | Pseudonymize)
    ] = Pseudonymize()
    consent: Consent | None = None
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="after")
    def _roles(self) -> "Data":
        clashes = {self.label, self.key} & set(self.features)
        if clashes:
            raise ValueError(f"the label and the key cannot be features: {', '.join(sorted(clashes))}")
        if self.label == self.key:
            raise ValueError("label and key are the same column")
        fixed = sorted(set(self.mutable) - set(self.features))
        if fixed:
            raise ValueError(f"mutable names columns that are not features: {', '.join(fixed)}")
        if self.label in self.sensitive:
            raise ValueError(f'the label "{self.label}" cannot be sensitive: its groups would be its own classes')
        return self

    @model_validator(mode="after")
    def _kept(self) -> "Data":
        problems = []
        if needed := sorted(set(self.drop) & set(self.columns)):
            problems.append(f"drop names columns that the policy needs: {', '.join(needed)}")
        if both := sorted(set(self.drop) & set(self.pseudonymize.columns)):
            problems.append(f"drop and pseudonymize both name {', '.join(both)}")
        if read := sorted({self.label, *self.features, *self.sensitive, *self._times} & set(self.pseudonymize.columns)):
            problems.append(f"pseudonymize names columns that are read for what they say: {', '.join(read)}")
        if self.split is not None and self.split.by == "time" and not self._times:
            problems.append("split by time needs data.time or split.column")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def _times(self) -> list[str]:
        """The columns that are read as times."""
        column = self.split.column if self.split is not None and self.split.by == "time" else None
        return [name for name in (self.time, column) if name]

    @property
    def columns(self) -> list[str]:
        """Every column that the policy needs, each once: key, label, features, sensitive, time, the split's."""
        more = [self.time, self.split.column if self.split else None]
        named = [self.key, self.label, *self.features, *self.sensitive, *(name for name in more if name)]
        return list(dict.fromkeys(named))


def masked(address: str) -> str:
    """An address without what could open a door: its user, password and query are left out.

    Examples
    --------
    >>> masked("postgresql://ann:secret@db:5432/shop?sslmode=require")
    'postgresql://db:5432/shop'
    >>> masked("data/adult.parquet")
    'data/adult.parquet'
    >>> masked("https://ann:secret@[db/shop")
    'https://...'
    """
    if "://" not in address:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # a bracket in the wrong place: nobody can tell what of it is a secret
        return f"{address.partition('://')[0]}://..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
