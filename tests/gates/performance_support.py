"""Rows with true probabilities, a policy, and the performance gate on them."""

import numpy as np

from assay.gates.performance import judge, measure
from assay.policy import Performance

LIMITS = {"auc": {"min": 0.7}, "log_loss": {"max": 0.7}, "brier": {"max": 0.25}, "ece": {"max": 0.1}}


def policy(*checks, **more):
    checks = checks or [{"metric": metric, **limit} for metric, limit in LIMITS.items()]
    return Performance.model_validate({"checks": list(checks), **more})


def world(n=3000, seed=0):
    random = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-random.normal(-1, 1.5, n)))
    return random.random(n) < score, score


def run(part, label, score, champion=None, *, seed=0, attempt=None, **more):
    decided = {"prediction": score >= 0.5}
    if champion is not None:
        decided["champion_prediction"] = champion >= 0.5
    evidence = measure(label=label, score=score, champion_score=champion, policy=part, seed=seed, **{**decided, **more})
    return judge(evidence, part, attempt=attempt)


def named(judgement):
    """Check by name, with its attribute where it has one."""
    return {" ".join(filter(None, [check.name, check.attribute])): check for check in judgement.checks}
