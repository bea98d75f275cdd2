from datetime import date, datetime

import pyarrow as pa
import pytest

from assay.core import UserError
from assay.data.checks import check_rows
from assay.data.engine import open_table
from assay.policy import Data

DATA = Data(source="x.csv", key="id", label="y", positive="yes", features=["a"], sensitive=["sex"])


def good():
    return {"id": [1, 2, 3], "y": ["yes", "no", "yes"], "a": [1.0, None, 3.0], "sex": ["f", "m", "f"]}


def check(table, data=DATA):
    with open_table(pa.table(table)) as rows:
        check_rows(rows, data, "x.csv")


def problems(caught):
    return [str(problem) for problem in caught.value.problems]


def test_a_good_table_passes():
    check(good())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": [1, 1, 2]}, "id: 1 keys occur more than once: 1"),
        ({"id": [1, None, 2]}, "id: the key is null in 1 of 3 rows"),
        ({"y": ["yes", None, "no"]}, "y: the label is null in 1 of 3 rows"),
        ({"y": ["yes", "no", "maybe"]}, "y: a label has two classes; found 3: maybe, no, yes"),
        ({"y": ["yes", "yes", "yes"]}, "y: a label has two classes; found 1: yes"),
        ({"y": [[1], [2], [1]]}, "y: has type list<item: int64>, which cannot be a key or a label"),
        ({"y": [date(2020, 1, 1), date(2020, 1, 2), None]}, "y: has type date32[day], which cannot be"),
        ({"id": [[1], [2], [1]]}, "id: has type list<item: int64>, which cannot be a key"),
        ({"y": ["Yes", "no", "no"]}, 'y: the positive class "yes" never occurs (classes found: Yes, no)'),
    ],
)
def test_each_flaw_is_found(change, message):
    with pytest.raises(UserError) as caught:
        check(good() | change)
    assert any(found.startswith(message) for found in problems(caught))


def test_all_flaws_are_said_at_once():
    data = DATA.model_copy(update={"time": "sex"})
    with pytest.raises(UserError) as caught:
        check(good() | {"id": [1, 1, None], "y": ["a", None, "a"]}, data)
    assert [problem.path for problem in caught.value.problems] == ["sex", "id", "id", "y", "y", "y"]


def test_dates_and_instants_are_times():
    for cells in ([date(2024, 5, 31)] * 3, [datetime(2024, 5, 31)] * 3):
        check(good() | {"sex": cells}, DATA.model_copy(update={"time": "sex"}))


@pytest.mark.parametrize("year", [-20_000, 20_000])
def test_times_that_no_calendar_holds_are_refused(year):
    at = pa.array([0, 1, (year - 1970) * 31_556_952_000_000], pa.int64()).cast(pa.timestamp("us"))
    with pytest.raises(UserError, match="at: holds times before the year 1 or after 9999"):
        check(good() | {"at": at}, DATA.model_copy(update={"time": "at"}))
