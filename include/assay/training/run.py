"""Call the team's `train` and hold what it returns to its contract."""

import inspect
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from assay.core import Problem, UserError

_SIGNATURE = "train(features, label, *, seed, parameters) -> sklearn.pipeline.Pipeline"
_WEIGHTED = "train(features, label, *, seed, parameters, weights=None) -> sklearn.pipeline.Pipeline"


def fit(
    *,
    module: Path,
    features: pd.DataFrame,
    label: pd.Series,
    seed: int,
    parameters: Mapping[str, Any],
    weights: pd.Series | None = None,
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

    Returns
    -------
    Pipeline
        Fitted, with probabilities for the classes 0 and 1.

    Raises
    ------
    UserError
        When the module does not load, has no `train` of the right form, does not take weights that
        there are, raises, or returns something else than a fitted probabilistic pipeline.
    """
    given = {} if weights is None else {"weights": weights}
    train = _train_function(module, given)
    random.seed(seed)
    np.random.seed(seed)  # estimators without a random_state of their own read this one
    try:
        pipeline = train(features, label, seed=seed, parameters=dict(parameters), **given)
    except (Exception, SystemExit) as error:
        raise _refused(module, f"train() raised {type(error).__name__}: {error}", _where(error, module)) from error
    _check(pipeline, module)
    assert isinstance(pipeline, Pipeline)
    return pipeline


def _train_function(module: Path, given: Mapping[str, Any]) -> Callable[..., object]:
    loaded = _load(module)
    train: Callable[..., object] | None = getattr(loaded, "train", None)
    if not callable(train):
        raise _refused(module, "has no function train", f"write {_SIGNATURE}")
    try:
        inspect.signature(train).bind(None, None, seed=0, parameters={})
    except TypeError as error:
        raise _refused(module, f"train() cannot be called as Assay calls it: {error}", f"write {_SIGNATURE}") from None
    try:
        inspect.signature(train).bind(None, None, seed=0, parameters={}, **given)
    except TypeError:
        message = "train() takes no weights, and the policy's mitigation works by them"
        mend = f"write {_WEIGHTED}, and fit with them as sample_weight"
        raise _refused(module, message, mend) from None
    return train


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
