"""How often the checks against a reference stop good data and moved data, of few rows and of more."""

import numpy as np
import pytest

from assay.core import Outcome
from assay.gates.contract.builtin.facts import Facts, Profile, Values
from assay.gates.contract.builtin.label_shift import Positives
from assay.gates.contract.builtin.label_shift import judge as judge_label
from assay.gates.contract.builtin.movement import movement
from assay.gates.contract.builtin.shift import judge
from assay.gates.contract.builtin.table import Column
from assay.policy.builtin import LabelShift, Shift
from assay.stats.divergence import pooled, psi_interval

LEVEL = 0.995  # of one check of ten
SHARES = 0.75 ** np.arange(30)
SHARES /= SHARES.sum()


def facts(rng, n, moved=0.0, new=0.0, missing=0.0):
    """A skewed number, a tied one, and 30 categories of which most are rare."""
    sample, profiles = {}, {}
    for name, numbers in (("pay", rng.lognormal(size=n) + moved), ("hours", np.round(rng.normal(40, 6, n)))):
        numbers[rng.random(n) < 0.05 + missing] = np.nan
        sample[name] = Values(numbers=numbers)
        profiles[name] = Profile(
            present=int((~np.isnan(numbers)).sum()), low=np.nanmin(numbers), high=np.nanmax(numbers)
        )
    codes = rng.choice(30, n, p=SHARES)
    codes[rng.random(n) < new] = 30
    texts, codes = np.unique(codes, return_inverse=True)
    sample["kind"] = Values(codes=codes.astype(np.int64), texts=[f"k{at}" for at in texts])
    profiles["kind"] = Profile(present=n, low="k0", high="k9")
    columns = {name: Column(name=name, type="VARCHAR" if name == "kind" else "DOUBLE", place="c") for name in sample}
    return Facts(rows=n, columns=columns, profiles=profiles, sample=sample, sampled=n)


def stopped(n, times, **damage):
    found = 0
    for seed in range(times):
        rng = np.random.default_rng([n, seed])
        then, now = facts(rng, n), facts(rng, n, **damage)
        checks = judge([movement(name, then, now, compared=True) for name in then.columns], Shift(), LEVEL)
        assert any(check.outcome is not Outcome.PASS for check in checks) or n > 200  # few rows show nothing kept
        found += any(check.severity == "critical" and check.outcome is not Outcome.PASS for check in checks)
    print(f"{n} rows, {damage or 'good'}: {found} of {times} stopped")
    return found / times


@pytest.mark.parametrize(("n", "times"), [(200, 300), (1000, 200), (5000, 60)])
def test_good_data_are_not_stopped_however_few(n, times):
    assert stopped(n, times) <= 0.01


@pytest.mark.parametrize(
    ("n", "damage", "least"),
    [
        (200, {"moved": 1.0}, 0.9),
        (1000, {"moved": 0.5}, 0.95),
        (1000, {"new": 0.05}, 0.95),
        (1000, {"missing": 0.15}, 0.95),
        (5000, {"new": 0.02}, 0.95),
        (5000, {"missing": 0.08}, 0.95),
    ],
)
def test_moved_data_are(n, damage, least):
    assert stopped(n, 20, **damage) >= least


@pytest.mark.parametrize(("n", "rise", "least", "most"), [(200, 0, 0, 0.01), (1000, 0, 0, 0.01), (10_000, 0, 0, 0.01),
                                                           (1000, 0.1, 0.9, 1), (5000, 0.07, 0.9, 1)])  # fmt: skip
def test_label_shift_stops_what_is_shown(n, rise, least, most):
    rng, found = np.random.default_rng(n), 0
    for one, other in zip(rng.binomial(n, 0.25, 1000), rng.binomial(n, 0.25 + rise, 1000), strict=True):
        counts = Positives(label="y", positive="1", before=(int(one), n), after=(int(other), n))
        (check,) = judge_label(counts, LabelShift(), LEVEL)
        assert check.outcome is not Outcome.PASS or n > 1000 or rise == 0
        found += check.severity == "critical" and check.outcome is not Outcome.PASS
    print(f"{n} rows, {rise:+.2f}: {found} of 1000 stopped")
    assert least <= found / 1000 <= most


@pytest.mark.parametrize("n", [200, 5000])
@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_with_rare_cells_counted_as_one_the_index_lies_where_its_interval_says(n, tilt):
    rng, held = np.random.default_rng(n), 0
    moved = SHARES * np.exp(tilt * np.linspace(-1, 1, 30))
    moved /= moved.sum()
    for one, other in zip(rng.multinomial(n, SHARES, 500), rng.multinomial(n, moved, 500), strict=True):
        before, after = pooled(one, other)
        low, high = psi_interval(before, after, 0.9)
        rare = one + other < 10
        p, q = (np.append(side[~rare], side[rare].sum()) for side in (SHARES, moved))
        kept = p > 0
        truth = float(((q - p)[kept] * np.log((q / p)[kept])).sum())
        held += low <= truth <= high
    print(f"{n} rows, tilt {tilt}: held {held} of 500 at 0.9")
    assert held >= 0.86 * 500
