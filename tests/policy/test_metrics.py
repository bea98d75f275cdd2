"""The metrics that a policy may name are those that scikit-learn scores two classes by."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names

from assay.core import UserError
from assay.policy import parse_policy
from assay.policy.metrics import METRICS, OF_DECISIONS, OF_SCORES, OWN

# Scorers of regressions and of clusterings come from other modules.
CLASSIFIERS = {f"sklearn.metrics.{module}" for module in ("_classification", "_ranking", "_scorer")}


def offered():
    """Scorer name to what it asks of a model, for those that score one of two classes without complaint."""
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 2))
    label = (random.random(300) < 1 / (1 + np.exp(-features[:, 0]))).astype(int)
    model = LogisticRegression().fit(features, label)
    found = {}
    for name in get_scorer_names():
        scorer = get_scorer(name)
        if scorer._score_func.__module__ not in CLASSIFIERS:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                scorer(model, features, label)
            except (Warning, ValueError):
                continue
        found[name] = scorer._response_method
    return found


def test_the_names_are_scikit_learns():
    found = offered()
    assert set(METRICS) - set(found) == set(OWN) - {"accuracy"}
    assert {name for name, asked in found.items() if asked == "predict"} == set(OF_DECISIONS)
    assert {name for name, asked in found.items() if asked != "predict"} == set(OF_SCORES)


@pytest.mark.parametrize(("name", "hint"), [("aucc", 'did you mean "auc"?'), ("f1_score", 'did you mean "f1_')])
def test_an_unknown_name_is_told_the_nearest(name, hint):
    text = f"gates: {{performance: {{checks: [{{metric: {name}, min: 0.5}}]}}}}"
    with pytest.raises(UserError) as caught:
        parse_policy(text.encode(), "policy.yaml")
    assert f'unknown metric "{name}": {hint}' in str(caught.value)
