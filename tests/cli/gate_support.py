"""A file of people, a policy and the gate commands on them."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from typer.testing import CliRunner

from assay.cli.gate import app
from assay.core import Verdict
from assay.training.export import export

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/verdict.schema.json").read_text())
POLICY = """
gates:
  performance:
    draws: 100
    checks: [{metric: auc, min: 0.6}]
    champion: [{metric: brier, margin: 0.05}]
  fairness:
    groups: [sex]
    checks: [{metric: selection_rate, compare: difference, max: 0.2}]
  robustness:
    draws: 100
    checks: [{scenario: unknown_category, max_drop: 0.2}, {scenario: unit_error, share: 0.01, max_drop: 0.2}]
"""


def frame(n=2000):
    random = np.random.default_rng(0)
    age = random.normal(0, 1, n).astype(np.float32)
    score = 1 / (1 + np.exp(-2 * age))
    return pd.DataFrame(
        {
            "age": age,
            "job": random.choice(["a", "b"], n),
            "sex": random.choice(["F", "M"], n),
            "race": random.choice(["x", "y"], n),
            "income": np.where(random.random(n) < score, ">50K", "<=50K"),
            "p": score,
            "q": np.clip(score + 0.01, 0, 1),
            "decision": np.where(score > 0.5, ">50K", "<=50K"),
        }
    )


def save_model(path="model.onnx"):
    rows = frame()
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough")
    pipeline = make_pipeline(encode, LogisticRegression())
    pipeline.fit(rows[["age", "job"]], rows["income"] == ">50K")
    kinds = {"age": "number", "job": "text"}
    content = export(pipeline, kinds=kinds, model="income", classes=("<=50K", ">50K"), threshold=0.5)
    Path(path).write_bytes(content)
    return content


def write_inputs():
    """Write the people and the policy into the working folder."""
    frame().to_csv("rows.csv", index=False)
    frame().to_parquet("rows.parquet")
    Path("policy.yaml").write_text(POLICY)


COMMON = {
    "fairness": {
        "data": "rows.csv",
        "label": "income",
        "prediction": "decision",
        "positive": ">50K",
        "policy": "policy.yaml",
    },
    "performance": {"data": "rows.csv", "label": "income", "score": "p", "positive": ">50K", "policy": "policy.yaml"},
    "robustness": {"model": "model.onnx", "data": "rows.parquet", "label": "income", "policy": "policy.yaml"},
    "contract": {"data": "rows.csv", "suite": "suite.json"},
}


def run(command, *more, json_to="out.json", **options):
    arguments = [command]
    for name, value in {**COMMON[command], "json": json_to, **options}.items():
        arguments += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    return CliRunner().invoke(app, [*arguments, *more])


def verdict(path="out.json"):
    found = json.loads(Path(path).read_text())
    jsonschema.validate(found, SCHEMA)
    assert Verdict.from_dict(found).to_dict() == found
    return found
