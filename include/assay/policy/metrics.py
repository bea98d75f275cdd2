"""The metrics that a policy may name for the performance gate."""

from typing import Annotated

from pydantic import AfterValidator, Field

from assay.core import did_you_mean

OWN = ("auc", "log_loss", "brier", "ece", "accuracy")
"""Our own names; of these log_loss, brier and ece are better when smaller."""

SHARES = ("auc", "brier", "ece", "accuracy")
"""Those that lie between 0 and 1."""

# scikit-learn's scorers of two classes, by their own names: larger is better for each of them.
OF_SCORES = (
    "average_precision", "d2_brier_score", "d2_log_loss_score", "neg_brier_score", "neg_log_loss", "roc_auc",
    "roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted",
)  # fmt: skip
OF_DECISIONS = (
    "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "jaccard", "jaccard_macro",
    "jaccard_micro", "jaccard_weighted", "matthews_corrcoef", "neg_negative_likelihood_ratio",
    "positive_likelihood_ratio", "precision", "precision_macro", "precision_micro", "precision_weighted", "recall",
    "recall_macro", "recall_micro", "recall_weighted",
)  # fmt: skip
METRICS = tuple(dict.fromkeys([*OWN, *OF_SCORES, *OF_DECISIONS]))
"""Every one of them."""


def _known(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f'unknown metric "{name}": {did_you_mean(name, METRICS)}')
    return name


MetricName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(METRICS)})]
