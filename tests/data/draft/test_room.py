"""What chance is said to do is held against what it does, on simulated batches."""

import numpy as np
import pytest

from assay.data.draft.room import Room, floored

ROWS, COLUMNS = 4000, 10
ROOM = Room.of(ROWS, COLUMNS)
LIKELY = Room(rows=ROWS, level=0.05)
"""Room so small that chance breaks it in some of a few thousand batches."""
TIMES = 4000
BATCH = 1000


def rate(broken):
    """Of how many batches the bound was broken, with three standard errors' leave."""
    return broken.mean() - 3 * np.sqrt(LIKELY.level / TIMES)


def test_all_bounds_of_a_draft_share_one_chance_in_a_hundred():
    assert Room.of(5000, 1).level * 16 == pytest.approx(0.01)
    assert Room.of(5000, 100).level == pytest.approx(Room.of(5000, 1).level / 100)


def test_a_batch_has_a_thousand_rows_or_half_of_few():
    assert (ROOM.batch(), Room.of(600, 5).batch(), Room.of(1, 5).batch()) == (1000, 300, 1)
    assert ROOM.batch(present=ROWS // 10) == 100
    assert ROOM.told == "a batch of 1,000 rows"


@pytest.mark.parametrize("share", [0.0003, 0.01, 0.3])
def test_a_batch_has_no_more_of_a_kind(share):
    rng = np.random.default_rng(0)
    here, there = rng.binomial(ROWS, share, TIMES), rng.binomial(BATCH, share, TIMES)
    most = {int(times): LIKELY.most(int(times), ROWS) for times in np.unique(here)}
    assert rate(there / BATCH > np.array([most[int(times)] for times in here]) + 1e-12) <= LIKELY.level


def test_what_was_never_seen_has_room_too_and_more_of_it_has_more():
    assert 0 < ROOM.most(0, ROWS) < ROOM.most(1, ROWS) < ROOM.most(100, ROWS) < ROOM.most(ROWS, ROWS) == 1


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_quantile_of_a_batch_lies_between_two_of_the_data(share):
    rng = np.random.default_rng(1)
    low, high = LIKELY.shares(share, ROWS)
    assert low < share < high
    broken = []
    for _ in range(TIMES // 4):
        data, batch = np.sort(rng.random(ROWS)), rng.random(BATCH)
        found = np.quantile(batch, share, method="inverted_cdf")
        broken.append([found < np.quantile(data, low), found > np.quantile(data, high)])
    assert np.mean(broken, axis=0).max() <= LIKELY.level + 3 * np.sqrt(LIKELY.level / TIMES * 4)
    assert np.mean(broken) > 0


def test_the_newest_of_a_batch_reaches_a_quantile():
    rng = np.random.default_rng(2)
    newest = rng.random((TIMES, 1)) ** (1 / BATCH)
    data = np.sort(rng.random((200, ROWS)), axis=1)
    at = data[:, int(LIKELY.oldest(ROWS) * ROWS)]
    assert (newest < at).mean() <= LIKELY.level + 0.01
    assert 0 < ROOM.oldest(20) < ROOM.oldest(ROWS) < 1


@pytest.mark.parametrize("weights", [[0.9, 0.1], [0.4, 0.3, 0.2, 0.05, 0.03, 0.015, 0.004, 0.001]])
def test_shares_diverge_no_further(weights):
    rng = np.random.default_rng(3)
    p = (rng.multinomial(ROWS, weights, TIMES) + 1e-9) / ROWS
    q = rng.multinomial(BATCH, weights, TIMES) / BATCH
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(q > 0, q * np.log(q / p), 0.0).sum(axis=1)
    seen = (p > 1e-6).all(axis=1)  # what was never seen is the set's to refuse
    assert rate(distance[seen] > LIKELY.divergence(len(weights), ROWS)) <= LIKELY.level


def test_rounding_never_narrows():
    assert (floored(0.9999), floored(0.95), floored(1.0)) == (0.999, 0.95, 1.0)
