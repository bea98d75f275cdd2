import importlib.util

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from assay.core import Outcome, settings
from assay.data.features import kinds, model_inputs, positives, training_frame
from assay.data.snapshots import create_snapshot
from assay.data.splits import holdout_mask
from assay.gates import contract
from assay.policy import load_folder
from assay.training.export import check_parity, export
from assay.training.onnx_model import OnnxModel
from assay.training.run import Validation, fit

FOLDER = settings.PACKAGE.parent / "models" / "income"
RETRAIN, LIVE = FOLDER / "data" / "adult.parquet", FOLDER / "data" / "live.parquet"


def module(name):
    spec = importlib.util.spec_from_file_location(f"income_{name}", FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_data_meets_its_reference_figures():
    data = pa.concat_tables([pq.read_table(RETRAIN), pq.read_table(LIVE)])
    assert (pq.read_metadata(RETRAIN).num_rows, pq.read_metadata(LIVE).num_rows) == (32_561, 16_281)
    assert data["person_id"].to_pylist() == list(range(48_842))
    assert set(data["income"].to_pylist()) == {"<=50K", ">50K"}
    assert "?" not in {cell for column in data.columns for cell in column.unique().to_pylist()}
    rich, sex = positives(data["income"], ">50K"), data["sex"].to_numpy()
    female, male = (rich[sex == each].mean() for each in ("Female", "Male"))
    assert female - male == pytest.approx(-0.194516, abs=5e-7)
    assert female / male == pytest.approx(0.359655, abs=5e-7)


def test_conversion_reads_adult_s_own_form(tmp_path):
    file = tmp_path / "adult.test"
    file.write_text(
        "|1x3 Cross validator\n"
        "25, Private, 226802, 11th, 7, Never-married, ?, Own-child, Black, Male, 0, 0, 40, United-States, <=50K.\n"
        "\n"
    )
    convert = module("convert")
    table = convert.table(list(convert.rows(file)), 32_561)
    assert table.drop(["occupation"]).equals(pq.read_table(LIVE).slice(0, 1).drop(["occupation"]))
    assert table["occupation"].to_pylist() == [None]


# protobuf's own notice about what skl2onnx hands it
@pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto:DeprecationWarning")
def test_the_model_learns_and_converts():
    data = pq.read_table(RETRAIN)
    features = [name for name in data.column_names if name not in ("person_id", "fnlwgt", "income")]
    known = kinds(data.schema, features)
    held = holdout_mask(data["person_id"], 0.3)
    frame, label = training_frame(data, known), pd.Series(positives(data["income"], ">50K").astype(np.int64))
    with threadpool_limits(1):  # OpenMP threads that wait for a busy core turn half a second into a minute
        pipeline = module("train").train(frame[~held], label[~held], seed=7, parameters={"max_iter": 20})

    content = export(pipeline, kinds=known, model="income", classes=("<=50K", ">50K"), threshold=0.5)
    inputs = {name: column[held] for name, column in model_inputs(data, known).items()}
    assert check_parity(pipeline, OnnxModel(content), frame=frame[held], inputs=inputs) <= 1e-5

    scores, rich = OnnxModel(content).score(inputs), label[held].to_numpy().astype(bool)
    ranks = pd.Series(scores).rank().to_numpy()
    auc = (ranks[rich].sum() - rich.sum() * (rich.sum() + 1) / 2) / (rich.sum() * (~rich).sum())
    assert auc > 0.9


@pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto:DeprecationWarning")
def test_validation_rows_end_the_training_and_the_model_converts():
    data = pq.read_table(RETRAIN).slice(0, 6000)
    features = [name for name in data.column_names if name not in ("person_id", "fnlwgt", "income")]
    known = kinds(data.schema, features)
    frame, label = training_frame(data, known), pd.Series(positives(data["income"], ">50K").astype(np.int64))
    kept, weights = holdout_mask(data["person_id"], 0.3), pd.Series(np.linspace(0.5, 1.5, 6000))
    rows = {"features": frame[~kept], "label": label[~kept], "seed": 7, "parameters": {"max_iter": 300}}
    with threadpool_limits(1):
        made = {
            name: fit(module=FOLDER / "train.py", **rows, **given)
            for name, given in {
                "stopped": {"validation": Validation(frame[kept], label[kept])},
                "weighted": {
                    "validation": Validation(frame[kept], label[kept], weights[kept]), "weights": weights[~kept],
                },
            }.items()
        }  # fmt: skip
    assert all(pipeline["classifier"].n_iter_ < 300 for pipeline in made.values())
    losses = {name: pipeline["classifier"].validation_score_ for name, pipeline in made.items()}
    scores = made["stopped"].predict_proba(frame[kept])
    assert -losses["stopped"][-1] == pytest.approx(log_loss(label[kept], scores), rel=1e-6)
    scores = made["weighted"].predict_proba(frame[kept])
    assert -losses["weighted"][-1] == pytest.approx(
        log_loss(label[kept], scores, sample_weight=weights[kept]), rel=1e-6
    )
    content = export(made["stopped"], kinds=known, model="income", classes=("<=50K", ">50K"), threshold=0.5)
    inputs = {name: column[kept] for name, column in model_inputs(data, known).items()}
    assert check_parity(made["stopped"], OnnxModel(content), frame=frame[kept], inputs=inputs) <= 1e-5


def test_its_snapshot_meets_its_contract(tmp_path):
    model = load_folder(FOLDER)
    snapshot = create_snapshot(
        source=model.policy.data.source, base=model.path, data=model.policy.data, model="income", root=str(tmp_path)
    )
    assert snapshot.id == "income-bde34c10383ef04b"  # the same in every release: verdicts name it
    judgement = contract.judge(contract.measure(files=snapshot.files(), suite=contract.load_suite(model.contract)))
    assert judgement.outcome is Outcome.PASS


def test_the_licence_travels_with_the_data():
    text = (FOLDER / "data" / "README.md").read_text()
    assert "CC BY 4.0" in text
    assert "10.24432/C5XW20" in text
