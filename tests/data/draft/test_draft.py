import importlib.util
import json
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from assay.core import Outcome, UserError, settings
from assay.data.draft import assign_roles, draft_files
from assay.data.features import kinds, positives, training_frame
from assay.gates import contract
from assay.policy import load_folder, parse_policy
from assay.training.export import check_parity, export
from assay.training.onnx_model import OnnxModel

ADULT = settings.PACKAGE.parent / "models" / "income" / "data" / "adult.parquet"


def people(n=400, seed=0):
    rng = np.random.default_rng(seed)
    income = rng.lognormal(10, 2, n)
    return pa.table(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "income": [None if i % 7 == 0 else x for i, x in enumerate(income)],
            "visits": rng.integers(0, 2, n) * 33_554_433,  # not a float32
            "segment": rng.choice(["a", "b", "it's"], n),
            "subscribed": rng.random(n) < 0.5,
            "debt": -income,
            "gender": rng.choice(["f", "m"], n),
            "joined": [date(2020, 1, 1)] * n,
            "race_history": [[1]] * n,
            "note": [f"free text {i}" for i in range(n)],
            "churned": (income + rng.normal(0, 1000, n) > np.quantile(income, 0.7)).astype(int),
        }
    )


def folder(tmp_path, table, name="churn", **roles):
    target = tmp_path / name
    target.mkdir()
    pq.write_table(table, target / "data.parquet")
    for file, text in draft_files(table, assign_roles(table, source="data.parquet", **roles), name).items():
        (target / file).write_text(text)
    return load_folder(target)


def test_what_a_draft_only_proposes_is_right_as_it_stands():
    text = draft_files(people(), assign_roles(people(), source="data.parquet", label="churned"), "churn")["policy.yaml"]
    for key in ("slices", "floors"):
        assert f"    # {key}: " in text
        text = text.replace(f"# {key}: ", f"{key}: ")
    performance = parse_policy(text.encode(), "policy.yaml").gates.performance
    assert performance.slice_columns
    assert performance.floors[0].metric == "auc"


@pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto:DeprecationWarning")
@pytest.mark.parametrize(
    ("table", "label"), [(people(), "churned"), (pq.read_table(ADULT), "income")], ids=["generated", "adult"]
)
def test_a_draft_is_a_model_folder_that_works(tmp_path, table, label):
    drafted = folder(tmp_path, table, label=label)
    data = drafted.policy.data

    suite = contract.load_suite(drafted.contract)
    judgement = contract.judge(contract.measure(files=[drafted.path / drafted.policy.data.source], suite=suite))
    assert [check.reason for check in judgement.checks if check.outcome is not Outcome.PASS] == []

    spec = importlib.util.spec_from_file_location("drafted_train", drafted.train)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = kinds(table.schema, data.features)
    frame = training_frame(table, known)
    target = pd.Series(positives(table[label], data.positive).astype(np.int64))
    with threadpool_limits(1):  # OpenMP threads that wait for a busy core turn half a second into a minute
        pipeline = module.train(frame, target, seed=0, parameters={"max_iter": 5})
    content = export(pipeline, kinds=known, model="churn", classes=("no", "yes"), threshold=0.5)
    inputs = {name: frame[[name]].to_numpy() for name in known}
    assert check_parity(pipeline, OnnxModel(content), frame=frame, inputs=inputs) <= 1e-5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [4, 37])
def test_a_drafted_contract_holds_on_its_own_data_however_few(tmp_path, n, seed):
    rng = np.random.default_rng(seed)
    table = pa.table(
        {
            "id": range(n),
            "sex": ["f", "m"] * (n // 2) + ["f"] * (n % 2),
            "wild": rng.standard_cauchy(n),
            "same": [5] * n,
            "rare": [None] * (n - 1) + [7],
            "y": [True, False] * (n // 2) + [True] * (n % 2),
        }
    )
    drafted = folder(tmp_path, table, label="y")
    suite = contract.load_suite(drafted.contract)
    judgement = contract.judge(contract.measure(files=[drafted.path / drafted.policy.data.source], suite=suite))
    assert [check.reason for check in judgement.checks if check.outcome is not Outcome.PASS] == []


def test_a_drafted_contract_finds_damage(tmp_path):
    drafted = folder(tmp_path, people(), label="churned")
    data = people().to_pandas()
    data["income"] *= 1e6
    data.loc[:20, "segment"] = "new"
    data.loc[:5, "gender"] = None
    data.to_parquet(drafted.path / drafted.policy.data.source)
    judgement = contract.judge(
        contract.measure(files=[drafted.path / drafted.policy.data.source], suite=contract.load_suite(drafted.contract))
    )
    failed = {(check.name, check.attribute) for check in judgement.checks if check.outcome is Outcome.FAIL}
    assert ("expect_column_values_to_be_between", "income") in failed
    assert ("expect_column_values_to_be_in_set", "segment") in failed
    assert ("expect_column_values_to_not_be_null", "gender") in failed


def test_guesses_are_said_and_follow_the_names():
    roles = assign_roles(people(), source="x.csv", label="churned")
    assert (roles.data.key, roles.data.positive, roles.data.sensitive) == ("customer_id", 1, ["gender"])
    assert roles.data.features == ["income", "visits", "segment", "subscribed", "debt"]
    said = " ".join(roles.remarks)
    for name in ("customer_id", "gender", '"1"', "joined", "race_history", "note"):
        assert name in said
    assert roles.base_rate == pytest.approx(0.3, abs=0.02)


def test_what_is_given_is_not_guessed():
    roles = assign_roles(
        people(), source="x.csv", label="churned", positive="0", key="note", sensitive=["segment", "gender"]
    )
    assert (roles.data.key, roles.data.positive, roles.data.sensitive) == ("note", 0, ["segment", "gender"])
    assert "guessed" not in " ".join(roles.remarks)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        ([True, False, True], True),
        (["no", "Yes", "Yes"], "Yes"),
        (["good", "bad", "good"], "bad"),
        ([0, 1, 1], 1),
        ([3, 4, 4], 3),
    ],
)
def test_the_positive_class_reads_like_yes_or_is_the_rarer(labels, positive):
    table = pa.table({"id": [1, 2, 3], "sex": ["f", "m", "f"], "x": [1, 2, 3], "y": labels})
    data = assign_roles(table, source="x.csv", label="y").data
    assert data.positive == positive
    assert type(data.positive) is type(positive)


@pytest.mark.parametrize(
    ("name", "guessed"),
    [
        ("sex", True),
        ("Gender", True),
        ("applicant race", True),
        ("age_group", True),
        ("ethnicity", True),
        ("age", False),
        ("sextant", False),
        ("trace", False),
        ("essex_branch", False),
    ],
)
def test_sensitive_attributes_are_known_by_whole_words(name, guessed):
    table = pa.table({"id": [1, 2, 3], name: ["a", "b", "a"], "sex_": ["f", "m", "f"], "y": [0, 1, 1], "x": [1, 2, 3]})
    assert (name in assign_roles(table, source="x.csv", label="y").data.sensitive) == guessed


def test_what_cannot_be_guessed_is_asked_for_all_at_once():
    table = pa.table({"a": [1.5, 1.5, 2.5], "b": ["x", "x", "y"], "y": [0, 1, 1]})
    with pytest.raises(UserError) as caught:
        assign_roles(table, source="x.csv", label="z")
    assert [problem.path for problem in caught.value.problems] == ["z", "--key", "--sensitive"]


def test_a_given_key_that_repeats_is_refused():
    table = pa.table({"a": [1, 1, 2], "sex": ["f", "m", "f"], "x": [1, 2, 3], "y": [0, 1, 1]})
    with pytest.raises(UserError, match="occur more than once"):
        assign_roles(table, source="x.csv", label="y", key="a")


@pytest.mark.parametrize("positive", ["maybe", "2"])
def test_a_positive_class_that_never_occurs_is_refused(positive):
    with pytest.raises(UserError, match="never occurs"):
        assign_roles(people(), source="x.csv", label="churned", positive=positive)


def test_odd_names_read_back_as_they_are():
    odd = ["yes", "null", "a: b", "#c", "é", "[d]", '"q"', "1e3", "-", "{x}", "😀", "\u2028\x85\ufeff", "a\nb\\"]
    table = pa.table({"id": [1, 2, 3], "sex": ["f", "m", "f"], "on": [0, 1, 1]} | {name: [1, 2, 2] for name in odd})
    roles = assign_roles(table, source="C:/my data/x.csv", label="on", key="id")
    files = draft_files(table, roles, "odd")
    assert parse_policy(files["policy.yaml"].encode(), "x").data == roles.data
    assert json.loads(files["contract.json"])["expectations"]


def test_the_shipped_model_trains_as_a_drafted_one_does():
    shipped = (settings.PACKAGE.parent / "models" / "income" / "train.py").read_text()
    assert draft_files(people(), assign_roles(people(), source="x", label="churned"), "churn")["train.py"] == shipped
