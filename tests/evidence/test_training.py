"""Which rows a candidate is fitted on, chosen by and tested on, and that training again gives the same bytes."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from tests.evidence.support import files_of, make_case
from tests.pipeline.support import POLICY, TRAIN
from threadpoolctl import threadpool_limits

from assay.core import UserError
from assay.data.features import kinds, training_frame
from assay.evidence.training import ROWS, train
from assay.policy import Split
from assay.training import run
from assay.training.onnx_model import OnnxModel
from assay.training.run import fit

STOPPING = """\
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline


def train(features, label, *, seed, parameters, validation=None, weights=None):
    columns = ColumnTransformer([("x", "passthrough", ["x"])])
    trees = HistGradientBoostingClassifier(random_state=seed, max_iter=200, early_stopping=True, n_iter_no_change=3)
    pipeline = Pipeline([("columns", columns), ("trees", trees)])
    if validation is None:
        return pipeline.fit(features, label)
    coded, watched = columns.fit_transform(features), columns.transform(validation.features)
    trees.fit(coded, label, X_val=watched, y_val=validation.label)
    return pipeline
"""
THRESHOLDS = {
    "method": "thresholds", "awareness": "blind", "target": "demographic_parity", "max_gap": 0.2, "attributes": ["sex"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for a busy core would take longer than the work."""
    with threadpool_limits(1):
        yield


def case_of(root, source=TRAIN, split=None, **parts):
    data = {**POLICY["data"], "split": split or {"validation": 0.2, "test": 0.3}}
    case, module = make_case(root, data=data, **parts)
    module.write_text(source)
    return case, module


@pytest.mark.parametrize(
    "split",
    [
        {"validation": 0.2, "test": 0.3},
        {"by": "group", "column": "id", "validation": 0.2, "test": 0.3, "duplicates": "apart"},
    ],
)
def test_the_rows_of_a_candidate_are_those_of_the_manifest(tmp_path, split):
    case, module = case_of(tmp_path, STOPPING, split)
    made = train(case, files_of(module))
    dealt = case.snapshot.manifest["split"]["rows"]
    assert made.rows == {
        f"{ {'train': 'training', 'test': 'holdout'}.get(side, side) }_rows": n for side, n in dealt.items()
    }
    assert made.validation_for == "train"
    sides = np.stack([case.trained_on, case.validated_on, case.held_out])
    assert (sides.sum(axis=0) == 1).all()
    assert sides.sum(axis=1).tolist() == [made.rows[name] for name in ROWS]


def test_train_gets_the_rows_of_the_validation_side_in_the_form_of_training_rows(tmp_path, monkeypatch):
    case, module = case_of(tmp_path, STOPPING)
    seen = []
    monkeypatch.setattr(run, "fit", lambda **given: seen.append(given) or fit(**given))  # in this very process
    train(case, files_of(module))
    (given,) = seen
    validation, rows = given["validation"], case.rows.filter(case.validated_on)
    assert validation.features.equals(training_frame(rows, kinds(rows.schema, ["x", "word"])))
    assert validation.label.tolist() == [int(each == "yes") for each in rows["y"].to_pylist()]
    assert validation.weights is None
    assert (validation.features.dtypes == given["features"].dtypes).all()
    assert (validation.label.dtype, validation.label.name) == (given["label"].dtype, given["label"].name)


def test_training_again_gives_the_same_bytes(tmp_path):
    case, module = case_of(tmp_path, STOPPING)
    first, second = train(case, files_of(module)), train(replace(case), files_of(module))
    assert first.onnx == second.onnx


def test_the_fit_does_hang_on_the_validation_rows(tmp_path):
    case, module = case_of(tmp_path, STOPPING)
    data = case.policy.data.model_copy(update={"split": Split(test=0.5)})  # the same rows are left to train on
    without = replace(case, policy=case.policy.model_copy(update={"data": data}))
    assert (without.trained_on == case.trained_on).all()
    assert train(without, files_of(module)).onnx != train(case, files_of(module)).onnx


def told(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def test_rows_that_nobody_uses_are_told_of(tmp_path, caplog):
    case, module = case_of(tmp_path)
    made = train(case, files_of(module))
    assert made.validation_for is None
    (message,) = told(caplog)
    assert message.startswith(f"{made.validation_rows:,} validation rows are used by nothing")
    assert "let train() in train.py take `validation`, or set data.split.validation to 0" in message


def test_nothing_is_told_where_train_or_the_mitigation_uses_them_or_there_are_none(tmp_path, caplog):
    for number, (source, parts) in enumerate(
        [(STOPPING, {}), (TRAIN, {"mitigation": THRESHOLDS}), (TRAIN, {"split": {"test": 0.3}})]
    ):
        case, module = case_of(tmp_path / str(number), source, **parts)
        train(case, files_of(module))
    assert told(caplog) == []


def test_a_mitigation_chooses_by_the_validation_rows_of_a_train_that_does_not_ask_for_them(tmp_path):
    case, module = case_of(tmp_path, mitigation=THRESHOLDS)
    first, second = train(case, files_of(module)), train(case, files_of(module), mitigated=True)
    assert (first.validation_for, second.validation_for) == (None, "thresholds")
    assert first.rows == second.rows
    assert second.mitigation["chosen_on"] == "validation"
    assert second.mitigation["chosen_on_rows"] == second.validation_rows
    assert OnnxModel(second.onnx).threshold == second.threshold
    assert train(case, files_of(module), mitigated=True).onnx == second.onnx


def test_a_train_that_must_have_validation_rows_is_refused_where_there_are_none(tmp_path):
    case, module = case_of(tmp_path, STOPPING.replace("validation=None", "validation"), {"test": 0.3})
    with pytest.raises(UserError) as raised:
        train(case, files_of(module))
    (problem,) = raised.value.problems
    assert problem.message == "train() requires validation rows, and the policy's split deals none"
    assert problem.mend == "set data.split.validation above 0, or write validation=None"


def test_a_validation_side_that_got_no_row_is_refused(tmp_path):
    case, module = case_of(tmp_path)
    data = case.policy.data.model_copy(update={"split": Split(test=0.3, validation=1e-9)})
    with pytest.raises(UserError, match=r"data\.split\.validation: keeps none of 1500 rows"):
        train(replace(case, policy=case.policy.model_copy(update={"data": data})), files_of(module))
