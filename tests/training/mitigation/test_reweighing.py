"""Weights equal their closed form, and take the label's dependence on the group away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.mitigation.support import gaps, population
from tests.training.mitigation.support import given as called_with

from assay.core import MISSING, UserError
from assay.policy import Reweighing
from assay.training.mitigation import reweighing
from assay.training.mitigation.cells import cells_of
from assay.training.mitigation.fit import fit_mitigated
from assay.training.run import fit

BY_SEX = Reweighing(method="reweighing", attributes=["sex"])


@st.composite
def tables(draw):
    """Labels and two attributes; the first has two values at least, missing ones among them."""
    rows = draw(st.integers(4, 60))
    values = st.sampled_from(["a", "b", MISSING])
    first = ["a", "b", *draw(st.lists(values, min_size=rows - 2, max_size=rows - 2))]
    second = draw(st.lists(st.sampled_from(["x", "y"]), min_size=rows, max_size=rows))
    label = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    return np.array(label), {"one": np.array(first, dtype=object), "two": np.array(second, dtype=object)}


@given(tables(), st.sampled_from([["one"], ["one", "two"]]))
def test_a_weight_is_what_independence_would_have_over_what_there_is(table, attributes):
    label, groups = table
    found = reweighing.weights(label, cells_of(groups, attributes))
    own = list(zip(*(groups[name] for name in attributes), strict=True))
    for row, group in enumerate(own):
        here = np.array([other == group for other in own])
        alike = label == label[row]
        assert found[row] == pytest.approx(here.mean() * alike.mean() / (here & alike).mean())


@given(tables())
def test_under_the_weights_every_group_has_the_same_base_rate(table):
    label, groups = table
    cells = cells_of(groups, ["one"])
    found = reweighing.weights(label, cells)
    both = [place for place in range(len(cells.names)) if len(set(label[cells.code == place])) == 2]
    rates = [np.average(label[cells.code == place], weights=found[cells.code == place]) for place in both]
    assert rates == pytest.approx([label.mean()] * len(both))  # a group of one class alone keeps it


def test_the_ten_applicants_of_kamiran_and_calders():
    sex = np.array(["f"] * 5 + ["m"] * 5, dtype=object)
    hired = np.array([True, True, False, False, False, True, True, True, True, False])
    told = reweighing.facts(hired, cells_of({"sex": sex}, ["sex"]))
    assert [(each["group"]["sex"], each["positive"], each["rows"], round(each["weight"], 2)) for each in told] == [
        ("f", False, 3, 0.67),
        ("f", True, 2, 1.5),
        ("m", False, 1, 2.0),
        ("m", True, 4, 0.75),
    ]


def test_the_weights_reach_the_team_s_train_and_narrow_the_gap(tmp_path):
    plain = called_with(tmp_path, BY_SEX, rows=4000)
    made = fit_mitigated(**plain)
    assert (made.threshold, made.by_group) == (0.5, None)
    assert made.facts["models"] == 1
    assert sum(each["rows"] * each["weight"] for each in made.facts["weights"]) == pytest.approx(4000)
    same = {name: plain[name] for name in ("module", "features", "label", "seed", "parameters")}
    features, label, groups = population(4000, seed=1)
    before, after = (
        gaps(model.predict(features) == 1, label, groups["sex"])["selection_rate"]
        for model in (fit(**same), made.pipeline)
    )
    assert before < -0.15
    assert before < after - 0.03


def test_one_group_alone_is_refused(tmp_path):
    alone = {"sex": np.array(["f"] * 1200, dtype=object)}
    with pytest.raises(UserError) as raised:
        fit_mitigated(**called_with(tmp_path, BY_SEX, groups=alone))
    assert "all training rows are of one group of sex (name another column)" in str(raised.value)
