"""Which column plays which part. What is guessed is said; what cannot be guessed is asked for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError, did_you_mean
from assay.data.checks import check_rows
from assay.data.engine import open_table
from assay.data.features import kinds, positives
from assay.data.sources import is_flat

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.policy import Data

_SENSITIVE = re.compile(
    r"(^|_)(sex|gender|race|ethnic(ity)?|religion|nationality|disab(led|ility)|caste|orientation|age_?(group|band))(_|$)"
)
_POSITIVE = ("1", "1.0", "true", "yes", "y", "t", "positive", "pos")
_MOST_GROUPS = 50
"""A column with more values than this makes groups too small to compare."""
_MOST_CATEGORIES = 1000
"""A text column with more values than this is a name or a free text rather than a category."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """The parts that columns play, and what a person should know about how they were chosen.

    Attributes
    ----------
    data
        As the policy will hold it.
    base_rate
        Share of positive labels, in (0, 1).
    remarks
        One sentence for each guess and each column left out.
    """

    data: "Data"
    base_rate: float
    remarks: Sequence[str]


def assign_roles(
    table: "pa.Table",
    *,
    source: str,
    label: str,
    positive: str | None = None,
    key: str | None = None,
    sensitive: Sequence[str] = (),
) -> Roles:
    """Assign every column a part, guessing what is not given.

    Parameters
    ----------
    table
        The data.
    source
        Path that the policy will name.
    label
        Column to learn.
    positive
        Class to predict; else one that reads like yes, or the rarer.
    key
        Column that names a row; else one without nulls or repeats, preferably called id.
    sensitive
        Columns whose groups are compared; else those with telling names.

    Raises
    ------
    UserError
        Listing everything that is absent, unusable, or can be neither read off nor guessed.
    """
    names = table.column_names
    given = [label, *([key] if key else []), *sensitive]
    problems = [
        Problem(path=name, message="no such column", mend=did_you_mean(name, names))
        for name in given
        if name not in names
    ]
    remarks: list[str] = []
    key = key or _guessed_key(table, label, remarks, problems)
    groups = list(dict.fromkeys(sensitive)) or _guessed_sensitive(table, [label, key or ""], remarks, problems)
    features = _features(table, {label, key or "", *groups}, remarks)
    if not features:
        problems.append(Problem(path=source, message="has no column left to learn from", mend="add columns"))
    if problems or key is None:
        raise UserError("assay new", problems)
    if not is_flat(table[label]):
        raise UserError("assay new", [Problem(path=label, message=f"{table[label].type} cannot be a label")])
    data = _data(table, source, label, positive, key, groups, features, remarks)
    with open_table(table) as rows:
        check_rows(rows, data, source)
    return Roles(data=data, base_rate=float(positives(table[label], data.positive).mean()), remarks=remarks)


def _data(
    table: "pa.Table",
    source: str,
    label: str,
    positive: str | None,
    key: str,
    groups: Sequence[str],
    features: Sequence[str],
    remarks: list[str],
) -> "Data":
    from pydantic import ValidationError

    from assay.policy import Data

    try:
        return Data(
            source=source,
            key=key,
            label=label,
            positive=_positive(table[label], positive, remarks),
            features=list(features),
            sensitive=list(groups),
        )
    except ValidationError as error:
        found = [
            Problem(path=label, message=str(each["msg"]).removeprefix("Value error, "))
            for each in error.errors(include_url=False)
        ]
        raise UserError("assay new", found) from None


def _guessed_key(table: "pa.Table", label: str, remarks: list[str], problems: list[Problem]) -> str | None:
    import pyarrow as pa

    def names_rows(name: str) -> bool:
        column = table[name]
        usable = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
        return usable and not column.null_count and len(column.unique()) == len(column)

    likely = sorted(table.column_names, key=lambda name: not re.search(r"(^|_)(id|key|uuid)$", name.lower()))
    found = next((name for name in likely if name != label and names_rows(name)), None)
    if found is None:
        message = "no column of integers or text is without nulls and repeats, so none can be the key"
        problems.append(Problem(path="--key", message=message, mend="add a column that names each row, and give --key"))
    else:
        remarks.append(f'"{found}" was taken as the key: it is never null and never repeats.')
    return found


def _guessed_sensitive(
    table: "pa.Table", taken: Sequence[str], remarks: list[str], problems: list[Problem]
) -> list[str]:
    found = [
        name
        for name in table.column_names
        if name not in taken
        and is_flat(table[name])
        and _SENSITIVE.search(re.sub(r"\W+", "_", name.lower()))
        and len(table[name].unique()) <= _MOST_GROUPS
    ]
    if found:
        shown = ", ".join(found)
        remarks.append(f"Sensitive attributes were guessed by name: {shown}. Are these all, and the right ones?")
    else:
        message = "no column is named like a sensitive attribute (sex, race, age_group, ...)"
        mend = "name the columns whose groups are to be compared, such as --sensitive sex --sensitive race"
        problems.append(Problem(path="--sensitive", message=message, mend=mend))
    return found


def _features(table: "pa.Table", taken: set[str], remarks: list[str]) -> list[str]:
    features = []
    for name in (name for name in table.column_names if name not in taken):
        try:
            kind = kinds(table.schema, [name])[name]
        except UserError:
            remarks.append(f'"{name}" was left out: {table[name].type} is neither number nor text.')
            continue
        distinct = len(table[name].unique())
        if table[name].null_count == table.num_rows:
            remarks.append(f'"{name}" was left out: it has no values.')
        elif kind == "text" and distinct > min(_MOST_CATEGORIES, max(table.num_rows / 2, 2)):
            remarks.append(f'"{name}" was left out: {distinct:,} different texts look like names, not categories.')
        else:
            features.append(name)
    return features


def _positive(column: Any, wanted: str | None, remarks: list[str]) -> str | int | bool:
    """The positive class in the label's own type; a wanted one that never occurs is left for the check to find."""
    counts = {each["values"]: each["counts"] for each in column.drop_null().value_counts().to_pylist()}
    by_text = {str(positive).lower() if isinstance(positive, bool) else str(positive): positive for positive in counts}
    if wanted is not None:
        found = by_text.get(wanted, wanted)
    else:
        telling = [by_text[text] for text in by_text if text.lower() in _POSITIVE]
        found = telling[0] if len(telling) == 1 else min(counts, key=lambda each: (counts[each], str(each)), default="")
        remarks.append(f'"{found}" was taken as the positive class.')
    return found if isinstance(found, (str, int)) else str(found)
