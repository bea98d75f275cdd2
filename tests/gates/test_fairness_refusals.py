"""Columns by which nothing can be compared are refused, before anything is counted."""

import numpy as np
import pytest
from tests.gates.fairness_support import policy

from assay.core import UserError
from assay.gates.fairness import measure, require_groups


def decisions(n):
    random = np.random.default_rng(0)
    return {"label": random.random(n) < 0.5, "prediction": random.random(n) < 0.5}


@pytest.mark.parametrize(("values", "refused"), [(200, False), (201, True), (10_000, True)])
def test_a_column_of_many_values_is_refused_with_advice(values, refused):
    groups = {"sex": np.arange(10_000) % values}
    if not refused:
        assert len(measure(**decisions(10_000), groups=groups, policy=policy()).attributes["sex"]) == values
        return
    with pytest.raises(UserError) as caught:
        measure(**decisions(10_000), groups=groups, policy=policy())
    assert str(caught.value.problems[0]) == (
        f"sex: has {values:,} distinct values; groups are compared by at most 200 "
        "(declare edges for a number, map the values to coarser groups, or leave the column out)"
    )


def test_edges_make_groups_of_a_number_with_many_values():
    groups = {"sex": np.arange(10_000) / 7}
    found = measure(**decisions(10_000), groups=groups, policy=policy(edges={"sex": [200, 900]}))
    assert [group.n for group in found.attributes["sex"]] == [1400, 3700, 4900]


@pytest.mark.parametrize(("b", "refused"), [(20, False), (21, True)])
def test_a_combination_of_too_many_groups_is_refused(b, refused):
    rows = np.arange(60_000)
    groups = {"a": rows % 50, "b": rows // 50 % b}
    part = policy(groups=["a", "b", ["a", "b"]])
    if not refused:
        assert len(measure(**decisions(60_000), groups=groups, policy=part).attributes["a*b"]) == 1000
        return
    with pytest.raises(UserError, match=r"a\*b: has more than 1,000 groups that occur") as caught:
        measure(**decisions(60_000), groups=groups, policy=part)
    assert len(caught.value.problems) == 1


def test_combinations_that_do_not_occur_are_no_groups():
    rows = np.arange(5000) % 150
    part = policy(groups=[["a", "b", "c", "d"]], min_group_size=1)
    found = measure(**decisions(5000), groups=dict.fromkeys("abcd", rows), policy=part)
    assert len(found.attributes["a*b*c*d"]) == 150  # of 150 to the fourth


def test_all_that_is_refused_is_told_together():
    rows = np.arange(3000)
    groups = {"key": rows, "a": rows % 60, "b": rows % 61, "word": np.full(3000, "x", dtype=object)}
    part = policy(groups=["key", ["a", "b"], "word", "agee"], edges={"word": [1]})
    with pytest.raises(UserError) as caught:
        require_groups(groups, part)
    assert [each.path for each in caught.value.problems] == ["key", "word", "agee", "a*b"]
    require_groups(groups, policy(groups=["a", "b"]))
