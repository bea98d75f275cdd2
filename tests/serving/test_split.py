"""The split: stable, monotone, and of the size that it says."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from assay.serving.split import entity_key, percent_point

ENTITIES = [str(number) for number in range(20_000)]


@pytest.mark.parametrize("share", [1, 5, 25, 50, 99])
def test_the_canary_gets_its_share(share):
    below = sum(percent_point("income", entity) < share for entity in ENTITIES)
    assert binomtest(below, len(ENTITIES), share / 100).pvalue > 1e-3


def test_nobody_at_0_and_everybody_at_100():
    points = [percent_point("income", entity) for entity in ENTITIES]
    assert min(points) >= 0
    assert max(points) < 100


@given(st.text(), st.integers(0, 100), st.integers(0, 100))
def test_whom_the_canary_serves_it_goes_on_serving_as_its_share_grows(entity, one, other):
    small, large = sorted((one, other))
    point = percent_point("income", entity)
    assert not point < small or point < large


def test_models_are_split_independently():
    both = sum(percent_point("income", e) < 25 and percent_point("churn", e) < 25 for e in ENTITIES)
    assert binomtest(both, len(ENTITIES), 0.0625).pvalue > 1e-3


def test_another_process_splits_alike():
    code = "from assay.serving.split import percent_point; print(percent_point('income', 'Zoë 7'))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(said) == percent_point("income", "Zoë 7")


@pytest.mark.parametrize(
    ("value", "key"),
    [(7, "7"), (7.0, "7"), ("7", "7"), (7.5, "7.5"), (True, None), (None, None), ("", None), ([1], None)],
)
def test_an_entity_is_the_same_however_json_writes_it(value, key):
    assert entity_key(value) == key


@pytest.mark.parametrize("value", ["a\x00b", "x" * 513, float("nan"), float("inf"), {}])
def test_what_names_nobody(value):
    assert entity_key(value) in (None, "nan", "inf")
