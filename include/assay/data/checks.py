"""Hold the rows of a snapshot against what a policy says about its data."""

from typing import TYPE_CHECKING, Any

from assay.core import Problem, UserError
from assay.data.features import positives
from assay.data.sources import is_flat

if TYPE_CHECKING:
    from assay.data.engine import Rows
    from assay.policy import Data

_SHOWN = 5


def check_rows(rows: "Rows", data: "Data", subject: str) -> None:
    """See that the rows can be trained on at all, whatever a contract asks beyond that.

    Raises
    ------
    UserError
        Listing times that are none, null or repeated keys, null labels, a label with other than two
        classes, and a positive class that never occurs.
    """
    problems = _time_problems(rows, data)
    for name, check in ((data.key, _key_problems), (data.label, _label_problems)):
        problems += check(rows, data) if is_flat(rows.schema.field(name)) else [_unusable(rows, name)]
    if problems:
        raise UserError(subject, problems)


def _key_problems(rows: "Rows", data: "Data") -> list[Problem]:
    name, problems = data.key, []
    if nulls := rows.summaries([name])[name].nulls:
        problems.append(Problem(path=name, message=f"the key is null in {nulls} of {rows.count} rows"))
    times, values = rows.repeated(name, _SHOWN)
    if times:
        shown = ", ".join(str(value) for value in values) + (", ..." if times > len(values) else "")
        message = f"{times} keys occur more than once: {shown}"
        problems.append(Problem(path=name, message=message, mend="a key names one row"))
    return problems


def _label_problems(rows: "Rows", data: "Data") -> list[Problem]:
    import pyarrow as pa

    name, problems = data.label, []
    if nulls := rows.summaries([name])[name].nulls:
        message = f"the label is null in {nulls} of {rows.count} rows"
        problems.append(Problem(path=name, message=message, mend="leave out rows whose label is not known"))
    found = [value for value, _ in rows.largest_categories(name, 10_000)]
    classes = sorted(str(value) for value in found)
    shown = ", ".join(classes[:_SHOWN]) + (", ..." if len(classes) > _SHOWN else "")
    if len(classes) != 2:
        number = f"{len(classes):,} or more" if len(classes) == 10_000 else len(classes)
        problems.append(Problem(path=name, message=f"a label has two classes; found {number}: {shown}"))
    try:
        occurs = not classes or positives(pa.array(found), data.positive).any()
    except ValueError:
        return [*problems, _unusable(rows, name)]
    if not occurs:
        message = f'the positive class "{data.positive}" never occurs'
        problems.append(Problem(path=name, message=message, mend=f"classes found: {shown}"))
    return problems


def _unusable(rows: "Rows", name: str) -> Problem:
    message = f"has type {rows.schema.field(name).type}, which cannot be a key or a label"
    return Problem(path=name, message=message, mend="use text or integers")


def _time_problems(rows: "Rows", data: "Data") -> list[Problem]:
    by_time = data.split.column if data.split is not None and data.split.by == "time" else None
    named = dict.fromkeys(name for name in (data.time, by_time) if name)
    return [found for name in named if (found := _time_problem(rows, name)) is not None]


def _time_problem(rows: "Rows", name: str) -> Problem | None:
    type_ = rows.schema.field(name).type
    if not is_time(type_):
        mend = "use a date or a timestamp; in a CSV file write 2024-05-31 or 2024-05-31 14:00:00"
        return Problem(path=name, message=f"has type {type_}, which is no time", mend=mend)
    try:
        rows.summaries([name])
    except UserError as error:  # no calendar holds them
        return error.problems[0]
    return None


def is_time(type_: Any) -> bool:
    """Whether values of an Arrow type are dates or instants."""
    import pyarrow as pa

    return bool(pa.types.is_timestamp(type_) or pa.types.is_date(type_))
