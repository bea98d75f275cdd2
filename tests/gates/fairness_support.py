"""Policies, counts and people for the tests of the fairness gate."""

import numpy as np

from assay.gates.fairness import FairnessEvidence, GroupCounts, judge
from assay.policy import Fairness, FairnessCheck


def check(metric="tpr", **more):
    limit = {} if {"min", "max"} & set(more) else {"max": 1}
    return FairnessCheck(metric=metric, **limit, **more)


def policy(*checks, groups=("sex",), **more):
    return Fairness(groups=list(groups), checks=list(checks) or [check(max=0.1)], **more)


def counts(name, tp, fn, fp=50, tn=50):
    return GroupCounts(group={"sex": name}, tp=tp, fn=fn, fp=fp, tn=tn)


def evidence(*groups):
    return FairnessEvidence(attributes={"sex": groups})


def only(judgement):
    (found,) = judgement.checks
    return found


def judged(groups, part, **more):
    return judge(evidence(*groups), part, **more)


def people(n=3000, seed=0):
    """Rows with scores and weights, with missing values and a group without positives."""
    random = np.random.default_rng(seed)
    score = np.round(random.beta(1, 2, n), 3)
    label = random.random(n) < score
    sex = random.choice(np.array(["F", "M", None], dtype=object), n, p=[0.5, 0.4, 0.1])
    race = random.choice(np.array(["a", "b", "c"], dtype=object), n)
    label[(race == "c") & (sex == "F")] = False
    return {
        "label": label,
        "prediction": score > 0.4,
        "score": score,
        "weights": random.gamma(2, size=n),
        "groups": {"sex": sex, "race": race, "age": random.integers(18, 90, n)},
    }
