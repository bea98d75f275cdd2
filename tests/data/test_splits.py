import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.splits import holdout_mask

shares = st.floats(0.01, 0.99)
keys = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True) | st.lists(
    st.text(), min_size=1, unique=True
)


@given(keys, shares, st.randoms())
def test_a_row_keeps_its_side_whatever_other_rows_do(keys, share, random):
    side = dict(zip(keys, holdout_mask(keys, share).tolist(), strict=True))
    others = random.sample(keys, random.randint(1, len(keys)))
    assert holdout_mask(others, share).tolist() == [side[key] for key in others]


@given(keys, shares, shares)
def test_a_larger_share_holds_all_of_a_smaller_one(keys, one, other):
    small, large = sorted([one, other])
    assert not (holdout_mask(keys, small) & ~holdout_mask(keys, large)).any()


@pytest.mark.parametrize("keys", [np.arange(50_000), [f"person-{n}" for n in range(50_000)]])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_the_share_is_met_within_five_standard_errors(keys, share):
    error = (share * (1 - share) / len(keys)) ** 0.5
    assert abs(holdout_mask(keys, share).mean() - share) < 5 * error


def test_the_split_is_the_same_in_every_release_and_type():
    # pinned: another hash would move rows between training and holdout of models already made
    expected = [False, False, True, True, True, False, True, False, False, True]
    as_text = [True, False, True, False, True, False, False, True, False, False]
    numbers = list(range(1, 11))
    assert holdout_mask(numbers, 0.5).tolist() == expected
    assert holdout_mask(pa.chunked_array([pa.array(numbers, pa.int32())]), 0.5).tolist() == expected
    assert holdout_mask(np.array(numbers, dtype=np.uint64), 0.5).tolist() == expected
    assert holdout_mask([f"p{n}" for n in numbers], 0.5).tolist() == as_text
    assert holdout_mask(pa.array([f"p{n}" for n in numbers]).dictionary_encode(), 0.5).tolist() == as_text


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        holdout_mask([1], share)


def test_a_null_key_is_refused():
    with pytest.raises(ValueError, match="null"):
        holdout_mask(pa.array([1, None]), 0.5)
