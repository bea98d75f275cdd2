"""How the model is trained: gradient-boosted trees over ordinally encoded columns."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder


def train(
    features: pd.DataFrame,
    label: pd.Series,
    *,
    seed: int,
    parameters: Mapping[str, Any],
    weights: pd.Series | None = None,
    validation: Any = None,
) -> Pipeline:
    """Fit the pipeline.

    Parameters
    ----------
    features
        One row per example: float32 columns for numbers, str columns for text.
    label
        1 for the positive class, 0 for the other.
    seed
        Makes two runs on the same data give the same model.
    parameters
        `training.parameters` of the policy, handed to `HistGradientBoostingClassifier`.
    weights
        How much each row counts, where the policy's mitigation says so; None: all alike.
    validation
        Rows kept from training, where `data.split` has some: their `features`, `label` and `weights`.
        Trees are then added until the loss on these rows no longer falls.
    """
    columns = ColumnTransformer(
        [
            (
                "text",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                make_column_selector(dtype_exclude="number"),
            ),
            ("number", "passthrough", make_column_selector(dtype_include="number")),
        ]
    )
    classifier = HistGradientBoostingClassifier(random_state=seed, **parameters)
    pipeline = Pipeline([("columns", columns), ("classifier", classifier)])
    if validation is None:
        return pipeline.fit(features, label, classifier__sample_weight=weights)
    classifier.set_params(early_stopping=True).fit(
        columns.fit_transform(features, label),
        label,
        sample_weight=weights,
        X_val=columns.transform(validation.features),
        y_val=validation.label,
        sample_weight_val=validation.weights,
    )
    return pipeline
