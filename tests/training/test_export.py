"""The ONNX form: the same bytes for the same training, equal scores, and refusals that name the step."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    SplineTransformer,
    StandardScaler,
)
from threadpoolctl import threadpool_limits

from assay.core import MISSING, UserError, settings
from assay.training.export import PARITY, check_parity, export
from assay.training.onnx_model import OnnxModel

# protobuf's own notice about what skl2onnx hands it
pytestmark = pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto:DeprecationWarning")

N = 400
INCOME = settings.PACKAGE.parent / "models" / "income"
KINDS = {"a": "number", "b": "number", "word": "text"}
NUMBERS = {"a": "number", "b": "number"}


class Squared(TransformerMixin, BaseEstimator):
    def fit(self, features, label=None):
        self.fitted_ = True
        return self

    def transform(self, features):
        return np.asarray(features) ** 2


class Undecided(ClassifierMixin, BaseEstimator):
    def fit(self, features, label):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, features):
        return np.full((len(features), 2), 0.5)

    def predict(self, features):
        return np.zeros(len(features), dtype=int)


def rows(kinds=KINDS, *, missing=False, scale=1.0):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": (rng.normal(size=N) * scale).astype(np.float32),
            "b": rng.normal(size=N).astype(np.float32),
            "word": rng.choice(["x", "y", "z"], N).astype(object),
        }
    )
    label = pd.Series((frame["a"] / scale + (frame["word"] == "x") > 0.3).astype(int))
    if missing:
        frame.loc[::7, "a"] = np.nan
        frame.loc[::5, "word"] = MISSING
    return frame[list(kinds)], label


def inputs(frame):
    return {name: frame[name].to_numpy().reshape(-1, 1) for name in frame.columns}


def exported(pipeline, kinds=KINDS, threshold=0.5):
    return export(pipeline, kinds=kinds, model="toy", classes=("no", "yes"), threshold=threshold)


def columns(numbers="passthrough", words=None):
    words = words or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("words", words, ["word"]), ("numbers", numbers, ["a", "b"])])


def ordinal():
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def pipelines():
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    return {
        "one-hot and logistic": Pipeline([("columns", columns(StandardScaler())), ("model", LogisticRegression())]),
        "ordinal and trees": Pipeline([("columns", columns(words=ordinal())), ("model", trees)]),
        "calibrated": Pipeline([("columns", columns()), ("model", CalibratedClassifierCV(LogisticRegression(), cv=2))]),
    }


@pytest.mark.parametrize("name", pipelines())
def test_both_forms_score_alike_also_what_training_has_not_seen(name):
    missing = name == "ordinal and trees"  # the linear ones take no NaN
    frame, label = rows(missing=missing)
    with threadpool_limits(1):
        pipeline = pipelines()[name].fit(frame, label)
    model = OnnxModel(exported(pipeline))
    unseen = pd.concat([frame, frame.assign(word="never seen"), frame.assign(a=np.float32(1e6))], ignore_index=True)
    assert check_parity(pipeline, model, frame=unseen, inputs=inputs(unseen)) <= PARITY
    expected = pipeline.predict_proba(unseen)[:, 1]
    assert np.abs(model.score(inputs(unseen)) - expected).max() <= PARITY
    assert np.ptp(expected) > 0.2  # equal scores of a constant model would show nothing


def test_the_decision_rule_is_in_the_file():
    frame, label = rows()
    model = OnnxModel(exported(pipelines()["one-hot and logistic"].fit(frame, label), threshold=0.1 + 0.2))
    assert (model.name, model.classes, model.threshold) == ("toy", ("no", "yes"), 0.1 + 0.2)
    assert model.inputs == KINDS


def test_the_same_pipeline_gives_the_same_bytes():
    frame, label = rows()
    pipeline = pipelines()["one-hot and logistic"].fit(frame, label)
    assert exported(pipeline) == exported(pipeline)
    assert exported(pipeline) != exported(pipeline, threshold=0.4)


def test_the_same_snapshot_seed_and_code_give_the_same_digest(tmp_path):
    sample = tmp_path / "sample.parquet"
    pq.write_table(pq.read_table(INCOME / "data" / "adult.parquet").slice(0, 3000), sample)
    script = """
import sys, warnings
import pandas as pd, pyarrow.parquet as pq
from assay.data.features import kinds, positives, training_frame
from assay.policy import load_folder
from assay.training.export import export
from assay.training.onnx_model import OnnxModel
from assay.training.run import fit
warnings.simplefilter("ignore")
income, data = load_folder(__import__("pathlib").Path(sys.argv[1])), pq.read_table(sys.argv[2])
policy = income.policy
types = kinds(data.schema, policy.data.features)
for seed in (7, 8):
    label = pd.Series(positives(data[policy.data.label], policy.data.positive).astype(int))
    pipeline = fit(module=income.train, features=training_frame(data, types), label=label, seed=seed,
        parameters={**policy.training.parameters, "max_iter": 10, "max_features": 0.5})
    print(OnnxModel(export(pipeline, kinds=types, model="income", classes=("<=50K", ">50K"), threshold=0.5)).digest)
"""
    runs = []
    for salt in ("0", "1", "6"):  # with these, sets of the converter come in different orders
        environment = {**os.environ, "PYTHONHASHSEED": salt, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", script, str(INCOME), str(sample)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        runs.append(done.stdout.split())
    assert runs[0] == runs[1] == runs[2]
    assert len(set(runs[0])) == 2  # another seed, another model


LOGISTIC = ("model", LogisticRegression())
UNSUPPORTED = {
    "odd (Squared)": ([("scale", StandardScaler()), ("odd", Squared()), LOGISTIC], NUMBERS),
    "columns.numbers (Squared)": ([("columns", columns(Squared())), LOGISTIC], KINDS),
    "columns.numbers.odd (Squared)": (
        [("columns", columns(Pipeline([("scale", StandardScaler()), ("odd", Squared())]))), LOGISTIC],
        KINDS,
    ),
    "both.odd (Squared)": (
        [("both", FeatureUnion([("scale", StandardScaler()), ("odd", Squared())])), LOGISTIC],
        NUMBERS,
    ),
    "bent (SplineTransformer)": ([("scale", StandardScaler()), ("bent", SplineTransformer()), LOGISTIC], NUMBERS),
    "second (FunctionTransformer)": (
        [("first", FunctionTransformer()), ("second", FunctionTransformer(np.abs)), LOGISTIC],
        NUMBERS,
    ),
    "odd (Undecided)": ([("scale", StandardScaler()), ("odd", Undecided())], NUMBERS),
    "wrapped (CalibratedClassifierCV)": (
        [("scale", StandardScaler()), ("wrapped", CalibratedClassifierCV(Undecided(), cv=2))],
        NUMBERS,
    ),
    "after (Squared)": ([("nothing", "passthrough"), ("after", Squared()), LOGISTIC], NUMBERS),
}


@pytest.mark.parametrize("named", UNSUPPORTED)
def test_a_step_without_an_onnx_form_is_named(named):
    steps, kinds = UNSUPPORTED[named]
    frame, label = rows(kinds)
    with pytest.raises(UserError) as raised:
        exported(Pipeline(steps).fit(frame, label), kinds)
    (only,) = raised.value.problems
    assert only.path == named
    assert only.message.startswith("does not convert to ONNX: ")
    assert "\n" not in only.message
    assert only.mend == "use a step that skl2onnx supports"
    missing = "no converter is known for this step"
    assert missing in only.message or named.startswith(("second", "wrapped"))


class Doubled(StandardScaler):
    """Registered below with a converter that forgets to double."""

    def transform(self, features, copy=None):
        return 2 * super().transform(features, copy)


def _forgetful(scope, operator, container):
    container.add_node("Identity", operator.inputs[0].full_name, operator.outputs[0].full_name)


@pytest.fixture(scope="module", autouse=True)
def _a_wrong_converter():
    from skl2onnx import update_registered_converter
    from skl2onnx.shape_calculators.scaler import calculate_sklearn_scaler_output_shapes

    update_registered_converter(Doubled, "AssayTestDoubled", calculate_sklearn_scaler_output_shapes, _forgetful)


DIVERGING = {
    "doubled (Doubled)": ([("scale", StandardScaler()), ("doubled", Doubled()), LOGISTIC], {}),
    # the words' one-hot columns come as a sparse matrix
    "columns (ColumnTransformer)": ([("columns", columns(Doubled())), LOGISTIC], {}),
    # cells of NaN pass the first step in both forms alike, so that it is not to blame
    "doubled (Doubled) ": (
        [
            ("columns", columns("passthrough", ordinal())),
            ("doubled", Doubled()),
            ("model", HistGradientBoostingClassifier(max_iter=5, random_state=0)),
        ],
        {"missing": True},
    ),
}


@pytest.mark.parametrize("named", DIVERGING)
def test_the_first_step_that_differs_is_named(named):
    steps, how = DIVERGING[named]
    kinds = NUMBERS if named == "doubled (Doubled)" else KINDS
    frame, label = rows(kinds, **how)
    with threadpool_limits(1):
        pipeline = Pipeline(steps).fit(frame, label)
    with pytest.raises(UserError) as raised:
        check_parity(pipeline, OnnxModel(exported(pipeline, kinds)), frame=frame, inputs=inputs(frame))
    (only,) = raised.value.problems
    assert only.path == named.strip()
    assert only.message.startswith("scores differ by up to ")
    assert only.message.endswith(" between sklearn and ONNX, more than 1e-05")


def test_the_classifier_is_named_when_only_it_needs_more_than_float32():
    frame = pd.DataFrame({"a": np.array([1e8 + 8 * step for step in range(-5, 6)], dtype=np.float32)})
    pipeline = Pipeline([("nothing", "passthrough"), ("same", FunctionTransformer()), LOGISTIC])
    pipeline.fit(frame, [0] * 5 + [1] * 6)
    pipeline[-1].coef_, pipeline[-1].intercept_ = np.array([[0.1]]), np.array([-1e7])  # they cancel in float64 only
    with pytest.raises(UserError, match=r"training: model \(LogisticRegression\): scores differ"):
        check_parity(pipeline, OnnxModel(exported(pipeline, {"a": "number"})), frame=frame, inputs=inputs(frame))


def test_other_bytes_than_the_pipeline_s_own_never_pass():
    frame, label = rows()
    pipeline = pipelines()["one-hot and logistic"]
    stranger = OnnxModel(exported(pipeline.fit(frame, 1 - label)))
    with pytest.raises(UserError, match="scores differ"):
        check_parity(pipeline.fit(frame, label), stranger, frame=frame, inputs=inputs(frame))


def test_a_pipeline_that_cannot_score_held_out_rows_is_refused():
    frame, label = rows()
    pipeline = Pipeline([("columns", columns(words=OneHotEncoder())), LOGISTIC]).fit(frame, label)
    unseen = frame.assign(word="new")
    model = OnnxModel(exported(pipeline))
    with pytest.raises(UserError, match=r"on held-out rows raised ValueError: Found unknown categories \['new'\]"):
        check_parity(pipeline, model, frame=unseen, inputs=inputs(unseen))


def test_a_score_that_is_no_number_never_passes():
    class Broken(OnnxModel):
        def score(self, columns):
            return np.full(N, np.nan)

    frame, label = rows()
    pipeline = pipelines()["one-hot and logistic"].fit(frame, label)
    with pytest.raises(UserError, match="scores differ by up to nan"):
        check_parity(pipeline, Broken(exported(pipeline)), frame=frame, inputs=inputs(frame))


def test_the_reference_leaves_deprecated_modules_in_peace():
    # in a process of its own: skops asks every module only once, when it is imported
    script = """
import sys, types, warnings
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from assay.training.export import reference
def asked(name):
    warnings.warn(f"old.{name} is deprecated", FutureWarning)
    raise AttributeError(name)
sys.modules["old"] = types.ModuleType("old")
sys.modules["old"].__getattr__ = asked
pipeline = Pipeline([("model", LogisticRegression())]).fit([[0.0], [1.0]], [0, 1])
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    content = reference(pipeline)
print(len(heard), content[:2])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "0 b'PK'"
