from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.reporting import SHOWN, reported
from assay.gates.contract.builtin.shift import Movement, judge
from assay.policy.builtin import Shift

N = 5000
ROLES = Roles(key="id", label="y", positive=1, time="at")


def table(seed, n=N, **more):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["a", "b", "c", None], n, p=[0.5, 0.3, 0.15, 0.05])
    made = {"id": range(n), "y": (rng.random(n) < 0.4).astype(int), "age": rng.normal(40, 10, n), "kind": list(kinds)}
    made["at"] = [datetime(2026, 1, 1) + timedelta(days=seed)] * n
    return made | more


def shifted(folder, now, then=None):
    return checks(folder, now, only("shift", "label_shift"), reference=then or table(1), roles=ROLES)


def test_what_has_not_moved_passes_with_one_check(tmp_path):
    found = shifted(tmp_path, table(2))
    assert {check.outcome for check in found.values()} == {Outcome.PASS}
    assert len(found) == 2
    assert "4 other columns" in next(check.reason for (name, _), check in found.items() if name == "shift")


def test_a_moved_mean_is_told_by_index_interval_and_test(tmp_path):
    now = table(2)
    now["age"] = now["age"] + 10
    check = shifted(tmp_path, now)["shift", "age"]
    assert (check.outcome, check.metric) == (Outcome.FAIL, "psi")
    assert 0.25 < check.interval[0] <= check.estimate <= check.interval[1]
    assert "its median is 49.99, was 39.73, two-sample test p = 0" in check.reason


@pytest.mark.parametrize(
    ("column", "values", "metric", "said"),
    [
        ("age", lambda age: list(age.astype(str)), "type", "was DOUBLE in the reference and is VARCHAR"),
        (
            "age",
            lambda age: [None if at % 2 else x for at, x in enumerate(age)],
            "missing_rise",
            "no value in 0.5 of the rows, in the reference in 0",
        ),
        (
            "age",
            lambda age: np.where(np.arange(N) % 20 == 0, 999.0, age),
            "new_values",
            "such as 0.944102, 999, in 0.0506 of the rows; 0.0004 of the reference's own",
        ),
        ("kind", lambda kind: ["new" if at % 20 == 0 else x for at, x in enumerate(kind)], "new_values", "such as new"),
        ("y", lambda y: pa.array(y, mask=np.arange(N) % 3 == 0), "missing_rise", "no value in"),
    ],
)
def test_what_goes_wrong_with_a_column_is_named(tmp_path, column, values, metric, said):
    now = table(2)
    now[column] = values(now[column])
    check = shifted(tmp_path, now)["shift", column]
    assert (check.outcome, check.metric) == (Outcome.FAIL, metric)
    assert said in check.reason


def test_no_value_that_looks_personal_is_shown(tmp_path):
    now = table(2)
    now["kind"] = [f"p{at}@example.org" if at % 5 == 0 else kind for at, kind in enumerate(now["kind"])]
    check = shifted(tmp_path, now)["shift", "kind"]
    assert check.outcome is Outcome.FAIL
    assert "(e-mail addresses)" in check.reason
    assert "example.org" not in repr(check)


def test_no_value_of_a_few_rows_or_of_a_column_of_pseudonyms_is_shown(tmp_path):
    new = ["rare" if at < 9 else "new" if at < 500 else kind for at, kind in enumerate(table(2)["kind"])]
    check = shifted(tmp_path, table(2, kind=new))["shift", "kind"]
    assert (check.outcome, check.metric) == (Outcome.FAIL, "new_values")
    assert "such as new, in 0.105 of the rows" in check.reason
    roles = Roles(key="id", label="y", positive=1, time="at", declared=["kind"])
    found = checks(tmp_path, table(2, kind=new), only("shift"), reference=table(1), roles=roles)["shift", "kind"]
    assert (found.outcome, found.estimate) == (Outcome.FAIL, check.estimate)
    assert "does not have in 0.105 of the rows" in found.reason
    assert "new" not in found.reason.replace("as new to", "")
    assert "a is" not in found.reason


def test_values_that_only_few_rows_have_are_still_counted(tmp_path):
    new = [f"once{at}" if at < 500 else kind for at, kind in enumerate(table(2)["kind"])]
    check = shifted(tmp_path, table(2, kind=new))["shift", "kind"]
    assert (check.outcome, check.metric) == (Outcome.FAIL, "new_values")
    assert "once" not in check.reason


def test_a_lost_column_fails_and_a_whole_number_may_become_a_fraction(tmp_path):
    now = table(2)
    now["y"] = now["y"].astype(float)
    del now["kind"]
    found = shifted(tmp_path, now)
    assert found["shift", "kind"].outcome is Outcome.FAIL
    assert "is not there" in found["shift", "kind"].reason
    assert [key for key, check in found.items() if check.outcome is Outcome.FAIL] == [("shift", "kind")]


def test_few_rows_do_not_tell_and_say_so_once_without_blocking(tmp_path):
    found = shifted(tmp_path, table(2, n=60), table(1, n=60))
    (check,) = (check for (name, _), check in found.items() if name == "shift")
    assert (check.outcome, check.severity) == (Outcome.INCONCLUSIVE, "warning")
    assert (
        "no change is shown, nor that there is none, so that it does not block; without any change it takes about"
        in check.reason
    )
    assert "No more can be told of" in check.reason
    strict = only(shift={"undecided": "critical"})
    assert {
        check.severity for check in checks(tmp_path, table(2, n=60), strict, reference=table(1, n=60)).values()
    } == {"critical"}


def test_a_change_that_chance_does_not_explain_counts_in_full_though_its_size_is_not_known(tmp_path):
    now = table(2, n=300)
    now["age"] = now["age"] + 7
    check = shifted(tmp_path, now, table(1, n=300))["shift", "age"]
    assert (check.outcome, check.severity) == (Outcome.INCONCLUSIVE, "critical")
    assert 0 < check.interval[0] < 0.25 < check.estimate
    assert "chance does not explain" in check.reason


def test_what_the_model_is_not_shown_does_not_block(tmp_path):
    then, now = table(1, order=np.arange(N)), table(2, order=np.arange(N) + N)
    found = {}
    for features in (["age", "kind"], ["age", "kind", "order"]):
        roles = Roles(key="id", label="y", positive=1, time="at", features=features)
        found[len(features)] = checks(tmp_path, now, only("shift"), reference=then, roles=roles)["shift", "order"]
    assert {check.outcome for check in found.values()} == {Outcome.FAIL}
    assert [check.severity for check in found.values()] == ["warning", "critical"]
    assert "the model is not shown it" in found[2].reason


@pytest.mark.parametrize("undecided", ["warning", "critical"])
def test_what_the_reference_does_not_have_is_told(tmp_path, undecided):
    then = {name: cells for name, cells in table(1).items() if name not in ("age", "kind", "y")}
    policy = only(shift={"undecided": undecided})
    roles = Roles(key="id", label="y", positive=1, time="at", features=["age"], sensitive=["kind"])
    found = checks(tmp_path, table(2, more=[1] * N), policy, reference=then, roles=roles)
    check = found["shift", "age"]
    assert (check.outcome, check.severity) == (Outcome.INCONCLUSIVE, undecided)
    assert "the reference has no such column" in check.reason
    if undecided == "critical":
        assert {name for _, name in found} >= {"age", "kind", "y"}
    else:
        assert check.reason.endswith("No more can be told of kind, y")
    assert ("shift", "more") not in found


def test_without_a_reference_there_is_no_check(tmp_path):
    assert checks(tmp_path, table(1), only("shift", "label_shift"), roles=ROLES) == {}


@pytest.mark.parametrize(("rate", "outcome"), [(0.4, Outcome.PASS), (0.45, Outcome.INCONCLUSIVE), (0.6, Outcome.FAIL)])
def test_the_labels_share_is_held_to_the_limit(tmp_path, rate, outcome):
    y = (np.arange(N) < rate * N).astype(int)
    then = table(1, y=(np.arange(N) < 0.4 * N).astype(int))
    check = shifted(tmp_path, table(2, y=y), then)["label_shift", "y"]
    assert check.outcome is outcome
    assert check.estimate == pytest.approx(rate - 0.4)


movements = st.builds(
    lambda before, after, p: Movement(
        column="x", was="DOUBLE", now="DOUBLE", before=tuple(before), after=tuple(after), p_value=p,
        missing=(0, sum(before), 0, sum(after)), known=sum(after),
    ),
    st.lists(st.integers(1, 400), min_size=4, max_size=4),
    st.lists(st.integers(1, 400), min_size=4, max_size=4),
    st.floats(0, 1),
)  # fmt: skip


@given(movements, st.floats(0.01, 2), st.floats(0, 2))
def test_a_wider_limit_is_never_worse(movement, limit, more):
    narrow, wide = (judge([movement], Shift(max_psi=each), 0.95)[0].outcome.rank for each in (limit, limit + more))
    assert wide <= narrow


@given(st.lists(movements, min_size=1, max_size=50))
def test_every_column_that_does_not_pass_counts(found):
    named = [Movement(**{**_fields(each), "column": str(at)}) for at, each in enumerate(found)]
    told = judge(named, Shift(), 0.95)
    assert len({(check.name, check.attribute) for check in told}) == len(told) <= SHOWN + 2
    assert judge(named[::-1], Shift(), 0.95)[0].outcome is told[0].outcome


def _fields(movement):
    return {name: getattr(movement, name) for name in Movement.__dataclass_fields__}


def test_the_twenty_first_that_fails_cannot_be_waived_with_the_others():
    gone = [Movement(column=str(at), was="DOUBLE", now=None) for at in range(25)]
    told = judge(gone, Shift(), 0.95)
    assert len(told) == SHOWN + 1
    assert (told[-1].attribute, told[-1].outcome) == (None, Outcome.FAIL)
    assert "5 more columns do not pass: 20" in told[-1].reason
    assert reported([]) == []
