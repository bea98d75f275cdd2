"""What a distribution does not tell: rare values, small and exact numbers, and what is personal."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gates.contract.distributions.spreading import expects, spread

from assay.core.distribution import LEAST, coarse
from assay.gates.contract.builtin import Roles
from assay.policy.builtin import Pii
from assay.policy.contract import Contract

EMAILS = [f"person{n}@example.org" for n in range(40)]


def told(found):
    """All that is written of a column."""
    return json.dumps(asdict(found))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(repeats=st.lists(st.integers(1, 15), min_size=1, max_size=30), refused=st.booleans())
def test_no_value_of_fewer_than_ten_rows_is_named_and_no_such_number_is_told(tmp_path_factory, repeats, refused):
    values = [f"value-{at}-" for at, times in enumerate(repeats) for _ in range(times)]
    suite = [expects("values_to_be_in_set", "x", value_set=["value-0-"])] if refused else []
    found = spread(tmp_path_factory.getbasetemp(), {"x": values}, suite=suite)["x"]
    for at, times in enumerate(repeats):
        if times < LEAST:
            assert f"value-{at}-" not in told(found)
    assert all(cell.data is None or cell.data % LEAST == 0 for cell in found.cells)
    assert all(cell.data is not None or sum(repeats) > 0 for cell in found.cells)


def test_a_value_that_the_reference_has_often_may_be_named_but_not_how_few_there_are_now(tmp_path):
    found = spread(tmp_path, {"x": ["a"] * 40 + ["b"] * 3}, reference={"x": ["a"] * 40 + ["b"] * 40})["x"]
    assert {cell.name: cell.data for cell in found.cells} == {"a": 40, "b": None}


@pytest.mark.parametrize("rows", range(25))
def test_numbers_of_rows_are_coarse(rows):
    assert coarse(rows) == (None if 1 <= rows <= 9 else 10 * ((rows + 5) // 10))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_the_extremes_are_not_told(tmp_path, scale):
    """The scale ends where at least ten rows lie beyond it, or where a round number or the contract says."""
    usual = np.random.default_rng(3).normal(0, 1, 3000)
    values = np.array([*usual, 77.7, -88.8]) * scale
    found = spread(tmp_path, {"x": values})["x"]
    edges = [cell.low for cell in found.cells if cell.low is not None]
    assert max(edges) < 10 * scale
    assert min(edges) > -10 * scale
    assert str(77.7 * scale) not in told(found)


def test_personal_data_are_not_told(tmp_path):
    found = spread(tmp_path, {"mail": EMAILS * 20, "x": [1, 2] * 400})
    assert found["mail"].kind == "withheld"
    assert found["mail"].cells == ()
    assert "e-mail addresses" in found["mail"].note
    assert "@" not in told(found["mail"])
    assert found["x"].cells


def test_a_few_personal_values_are_among_the_others(tmp_path):
    data = ["shop"] * 50_000 + [EMAILS[0]] * 20
    found = spread(tmp_path, {"seller": data})["seller"]
    assert [(cell.name, cell.data) for cell in found.cells] == [("shop", 50_000), (None, 20)]
    sensitive = spread(tmp_path, {"mail": EMAILS * 20}, roles=Roles(sensitive=["mail"]))["mail"]
    assert "@" not in told(sensitive)


def test_what_the_policy_says_is_not_personal_is_still_not_named_where_it_looks_so(tmp_path):
    policy = Contract(pii=Pii(allow=["mail"]))
    found = spread(tmp_path, {"mail": [*EMAILS[:2] * 20, *["none"] * 20]}, policy=policy)["mail"]
    assert [(cell.name, cell.data) for cell in found.cells] == [("none", 20), (None, 40)]


@pytest.mark.parametrize("pii", [None, Pii(), Pii(max_share=0.5)])
def test_whether_the_check_is_made_or_not_personal_data_are_withheld(tmp_path, pii):
    found = spread(tmp_path, {"mail": EMAILS * 20}, policy=Contract(pii=pii))
    assert found["mail"].kind == "withheld"


@pytest.mark.parametrize("roles", [Roles(key="who"), Roles(declared=["who"])])
def test_keys_and_pseudonyms_are_not_told(tmp_path, roles):
    found = spread(tmp_path, {"who": ["p1"] * 30 + ["p2"] * 30}, roles=roles)["who"]
    assert found.kind == "withheld"
    assert "p1" not in told(found)
    assert found.note
