"""Rows of two sexes whose incomes differ, and a team's train() for them."""

import numpy as np
import pandas as pd

TRAIN = """\
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

def train(features, label, *, seed, parameters, weights=None):
    words = ("words", OneHotEncoder(handle_unknown="ignore"), ["job"])
    columns = ColumnTransformer([words, ("numbers", "passthrough", ["skill"])])
    pipeline = Pipeline([("columns", columns), ("model", LogisticRegression())])
    return pipeline.fit(features, label, model__sample_weight=weights)
"""
UNWEIGHTED = TRAIN.replace(", weights=None", "").replace(", model__sample_weight=weights", "")
KINDS = {"skill": "number", "job": "text"}


def module(folder, source=TRAIN):
    (folder / "toy").mkdir(exist_ok=True)
    file = folder / "toy" / "train.py"
    file.write_text(source)
    return file


def population(rows, seed=0, values=("f", "m")):
    """Features, label and groups: men more often have the job, and the label, at equal skill."""
    random = np.random.default_rng(seed)
    sex = random.choice(values, rows).astype(object)
    male = sex == "m"
    skill = random.normal(size=rows).astype(np.float32)
    job = np.where(random.random(rows) < np.where(male, 0.8, 0.2), "well paid", "other").astype(object)
    logit = 1.5 * skill + 1.6 * (job == "well paid") + 0.8 * male - 1.2
    label = random.random(rows) < 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"skill": skill, "job": job}), pd.Series(label.astype(int)), {"sex": sex}


def given(folder, mitigation, *, rows=1200, seed=0, source=TRAIN, **changed):
    """What `fit_mitigated` is called with."""
    features, label, groups = population(rows, seed)
    return {
        "mitigation": mitigation,
        "module": module(folder, source),
        "features": features,
        "label": label,
        "groups": groups,
        "seed": 3,
        "parameters": {},
        "threshold": 0.5,
    } | changed


def gaps(decided, label, sex):
    """Women less men: selection rate, true and false positive rate."""
    label = np.asarray(label) == 1
    sides = [
        decided[(sex == "f") & rows].mean() - decided[(sex == "m") & rows].mean() for rows in (True, label, ~label)
    ]
    return dict(zip(("selection_rate", "tpr", "fpr"), sides, strict=True))
