"""Call the team's `train` and hold what it returns to its contract."""

import inspect
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from assay.core import Problem, UserError

_SIGNATURE = "train(features, label, *, seed, parameters) -> sklearn.pipeline.Pipeline"
_WEIGHTED = "train(features, label, *, seed, parameters, weights=None) -> sklearn.pipeline.Pipeline"


class Validation(NamedTuple):
    """Rows kept from training that a `train` may watch its fit by: to stop early, or to choose among settings.

    `features` and `label` are of the same form as the training rows'. `weights` says how much each row
    counts where the training rows have weights, too; None where all count alike.
    """

    features: pd.DataFrame
    label: pd.Series
    weights: pd.Series | None = None


def fit(
    *,
    module: Path,
    features: pd.DataFrame,
    label: pd.Series,
    seed: int,
    parameters: Mapping[str, Any],
    weights: pd.Series | None = None,
    validation: Validation | None = None,
) -> Pipeline:
    """Train a candidate.

    Parameters
    ----------
    module
        The team's `train.py`.
    features
        One row per case; numbers as float32 with NaN for missing, everything else as str.
    label
        0 and 1, aligned with `features`.
    seed
        Seeds Python's and numpy's global generators, and is handed to `train`.
    parameters
        The policy's `training.parameters`.
    weights
        How much each row counts, above 0 and aligned with `features`: handed to a `train` that takes
        them as `weights`. None where all count alike: `train` is then called without.
    validation
        Handed to a `train` that names a parameter `validation`; any other is called without.

    Returns
    -------
    Pipeline
        Fitted, with probabilities for the classes 0 and 1.

    Raises
    ------
    UserError
        When the module does not load, has no `train` of the right form, does not take weights that
        there are, requires validation rows that there are not, raises, or returns something else than
        a fitted probabilistic pipeline.
    """
    train, given = _train_function(module, weights, validation)
    random.seed(seed)
    np.random.seed(seed)  # estimators without a random_state of their own read this one
    try:
        pipeline = train(features, label, seed=seed, parameters=dict(parameters), **given)
    except MemoryError as error:
        mend = "raise training.limits.memory_gb in the policy, or train on less"
        raise _refused(module, "train() ran out of memory", mend) from error
    except (Exception, SystemExit) as error:
        raise _refused(module, f"train() raised {type(error).__name__}: {error}", _where(error, module)) from error
    _check(pipeline, module)
    assert isinstance(pipeline, Pipeline)
    return pipeline


def takes_validation(module: Path) -> bool:
    """Whether the module's `train` names a parameter `validation`.

    Raises
    ------
    UserError
        When the module does not load or has no `train`.
    """
    return _asks_for_validation(_defined(module)) is not None


def _train_function(
    module: Path, weights: pd.Series | None, validation: Validation | None
) -> tuple[Callable[..., object], dict[str, Any]]:
    """The team's `train`, and what it is given beside rows, seed and parameters."""
    train = _defined(module)
    given: dict[str, Any] = {}
    asked = _asks_for_validation(train)
    if asked is not None and validation is not None:
        given["validation"] = validation
    elif asked is not None and asked.default is inspect.Parameter.empty:
        message = "train() requires validation rows, and the policy's split deals none"
        raise _refused(module, message, "set data.split.validation above 0, or write validation=None")
    try:
        inspect.signature(train).bind(None, None, seed=0, parameters={}, **given)
    except TypeError as error:
        raise _refused(module, f"train() cannot be called as Assay calls it: {error}", f"write {_SIGNATURE}") from None
    if weights is not None:
        given["weights"] = weights
    try:
        inspect.signature(train).bind(None, None, seed=0, parameters={}, **given)
    except TypeError:
        message = "train() takes no weights, and the policy's mitigation works by them"
        mend = f"write {_WEIGHTED}, and fit with them as sample_weight"
        raise _refused(module, message, mend) from None
    return train, given


def _defined(module: Path) -> Callable[..., object]:
    train: Callable[..., object] | None = getattr(_load(module), "train", None)
    if not callable(train):
        raise _refused(module, "has no function train", f"write {_SIGNATURE}")
    return train


def _asks_for_validation(train: Callable[..., object]) -> inspect.Parameter | None:
    """The parameter that validation rows are handed to; `**more` does not ask for them."""
    return inspect.signature(train).parameters.get("validation")


def _load(module: Path) -> ModuleType:
    loaded = ModuleType(f"assay_model_{module.parent.name}")
    loaded.__file__ = str(module)
    sys.modules[loaded.__name__] = loaded  # so that classes defined in the module can be found by their name
    try:
        # Never from bytecode cached beside the file: what runs must be what the code version is the digest of.
        exec(compile(module.read_bytes(), str(module), "exec"), loaded.__dict__)  # noqa: S102
    except (Exception, SystemExit) as error:
        raise _refused(module, f"cannot be imported: {type(error).__name__}: {error}", _where(error, module)) from error
    return loaded


def _check(pipeline: object, module: Path) -> None:
    if not isinstance(pipeline, Pipeline):
        raise _refused(module, f"train() returned {type(pipeline).__name__}, not a Pipeline", f"write {_SIGNATURE}")
    try:
        check_is_fitted(pipeline)
    except NotFittedError:
        raise _refused(module, "train() returned a pipeline that is not fitted", "return pipeline.fit(...)") from None
    if not hasattr(pipeline, "predict_proba"):
        raise _refused(module, "the pipeline has no predict_proba", "end it in a probabilistic classifier")
    classes = np.asarray(getattr(pipeline, "classes_", [])).tolist()
    if classes != [0, 1]:
        raise _refused(module, f"the pipeline's classes are {classes}, not [0, 1]", "fit on `label`")


def _refused(module: Path, message: str, mend: str) -> UserError:
    return UserError(f"{module.parent.name}/{module.name}", [Problem(path=module.name, message=message, mend=mend)])


def _where(error: BaseException, module: Path) -> str:
    """The line of the team's own module in which `error` arose."""
    if isinstance(error, SyntaxError) and error.filename == str(module):
        return f"line {error.lineno}"
    trace = error.__traceback__
    lines = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(module):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f"line {lines[-1]}" if lines else ""
