"""`assay gate fairness`: whatever is wrong is said in one message, and no verdict is written."""

from pathlib import Path

import numpy as np
import pytest
from tests.cli.gate_support import POLICY, frame, run, write_inputs

from assay.cli.inputs import Mistakes, parse_groups, word


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_inputs()
    return tmp_path


MISTAKES = [
    ({"label": "incom"}, ['incom: no such column (did you mean "income"?)']),
    (
        {"label": "incom", "score": "sex", "groups": "sx,race", "policy": "p.yaml"},
        ["incom: no such column", 'sx: no such column (did you mean "sex"?)', "p.yaml: no such file"],
    ),
    ({"positive": None}, ["income: is neither 0/1 nor true/false: <=50K, >50K (say with --positive"]),
    ({"positive": "50K"}, ['--positive: "50K" never occurs in income (classes found: <=50K, >50K)']),
    ({"prediction": "sex"}, ["sex: holds classes that income does not: F, M (income has <=50K, >50K"]),
    ({"prediction": "gap"}, ["gap: has no value in 7 of 2000 rows"]),
    ({"label": "gap", "score": "gap"}, ["gap: has no value", "gap: has type string; a score is a number"]),
    ({"groups": "sex,,rac"}, ['--groups: has an empty name in "sex,,rac"', "rac: no such column"]),
    ({"groups": "sex,race,race*sex,sex*race,sex"}, ["--groups: names twice: sex*race, sex"]),
    ({"prediction": "income"}, ['--prediction: is the label "income" itself']),
    ({"data": "twice.csv"}, ["twice.csv: names columns twice: sex"]),
    ({"threshold": 0.5}, ["--prediction: is needed, or --threshold in its place", "--threshold: needs"]),
    ({"prediction": None}, ["--prediction: is needed, or --threshold in its place; not both"]),
    ({"weights": "age"}, ["age: is negative or no number in"]),
    ({"weights": "vast"}, ["vast: is negative or no number in 2 of 2000 rows (a weight is 0 or between 1e-100 and"]),
    ({"weights": "nil", "score": "holes"}, ["nil: is 0 in every row", "holes: is not a number between"]),
    ({"weights": "sex"}, ["sex: has type string; a weight is a number from 0 upwards"]),
    ({"policy": "scored.yaml"}, ["--score: is missing, and the policy has checks on scores"]),
    ({"policy": "empty.yaml"}, ["empty.yaml: is empty"]),
    ({"policy": "other.yaml"}, ["gates.fairness: is missing in other.yaml"]),
    ({"policy": "bad.yaml"}, ['gates.fairnes: unknown key (did you mean "fairness"?)']),
    ({"data": "none.csv"}, ["none.csv: no such file"]),
    ({"data": "corrupt.parquet"}, ["corrupt.parquet: cannot be read as Parquet"]),
    ({"data": "empty.csv"}, ["empty.csv: is empty"]),
    ({"data": "header.csv"}, ["header.csv: has no rows"]),
    ({"json_to": "no/such/out.json", "label": "x"}, ["--json: there is no folder no/such", "x: no such"]),
    ({"json_to": "."}, ['--json: "." is no file name']),
    ({"json_to": "a" * 300, "data": "d" * 300 + ".csv"}, ['a" is no file name', "cannot be read: File name too long"]),
    ({"label": "one"}, ["one: has one class, <=50K; a label has two"]),
    ({"label": "three", "positive": "x"}, ["three: has 3 classes: x, y, z; a label has two (for more, declare"]),
    ({"label": "three", "positive": None}, ["three: has 3 classes: x, y, z; a label has two"]),
    ({"prediction": "three"}, ["three: holds classes that income does not: x, y, z (income has <=50K, >50K"]),
    ({"score": "beyond"}, ["beyond: is not a number between 0 and 1 in 1 of 2000 rows"]),
    ({"groups": "sex,key"}, ["key: has 2,000 distinct values; groups are compared by at most 200 (declare edges"]),
    ({"groups": "sex,key", "data": "rows.parquet"}, ["key: has more than 200 distinct values; groups are compared"]),
    ({"groups": "sex,income"}, ['--groups: "income" is what is judged, and makes no groups']),
    ({"groups": "fine*finer"}, ["fine*finer: has more than 1,000 groups that occur, which is the most"]),
    ({"policy": "metric.yaml"}, ["gates.fairness.checks.0.metric: must be", '(did you mean "tpr"?)']),
    ({"policy": "column.yaml"}, ['sexx: no such column (did you mean "sex"?)']),
    ({"policy": "limits.yaml"}, ["checks.1 and checks.0 contradict each other: tpr_difference of at least 0.2 and of"]),
    ({"policy": "turned.yaml"}, ["gates.fairness.checks.0: min 0.9 is above max 0.8"]),
    (
        {"policy": "numbers.yaml"},
        [
            "--positive: is for two classes, and the policy's metrics are those of numbers (leave it out)",
            "income: has type string; the policy's metrics are those of numbers",
            "decision: has type string; the policy's metrics are those of numbers",
        ],
    ),
    (
        {"policy": "numbers.yaml", "label": "holes", "prediction": "p", "positive": None},
        [
            "holes: is no finite number in 7 of 2000 rows",
        ],
    ),
    (
        {"policy": "classes.yaml", "label": "three", "prediction": "income", "score": "p"},
        [
            "--positive: is for two classes, and the policy declares classes",
            "--score: is for two classes, and the policy declares classes",
            'gates.fairness.classes: "u" never occurs in three (known: x, y, z)',
            "income: holds classes that three does not: <=50K, >50K",
        ],
    ),
    ({"policy": "mixed.yaml"}, ["mae need numbers and tpr need classes: one model has one of them"]),
    ({"policy": "scores.yaml"}, ["classes have no auc: one score does not say how likely each class is"]),
]
POLICIES = {
    "metric.yaml": "{groups: [sex], checks: [{metric: tprr, max: 0.1}]}",
    "column.yaml": "{groups: [sexx], checks: [{metric: tpr, max: 0.1}]}",
    "limits.yaml": "{groups: [sex], checks: [{metric: tpr, max: 0.1}, {metric: tpr, min: 0.2}]}",
    "both.yaml": "{groups: [sex], checks: [{metric: tpr, max: 0.1}, {metric: tpr, min: 0.2}, {metric: tprr, max: 1}]}",
    "turned.yaml": "{groups: [sex], checks: [{metric: tpr, min: 0.9, max: 0.8}]}",
    "numbers.yaml": "{groups: [sex], checks: [{metric: mae, max: 10}]}",
    "classes.yaml": "{groups: [sex], classes: [x, u], checks: [{metric: tpr, max: 0.1}]}",
    "mixed.yaml": "{groups: [sex], checks: [{metric: mae, max: 10}, {metric: tpr, max: 0.1}]}",
    "scores.yaml": "{groups: [sex], classes: [x], checks: [{metric: auc, max: 0.1}]}",
    "scored.yaml": "{groups: [sex], checks: [{metric: auc, max: 0.1}]}",
}


def write_wrong_inputs():
    rows = frame()
    rows["gap"] = rows["income"].mask(rows.index < 7)
    rows["holes"] = rows["p"].mask(rows.index < 7)
    rows["beyond"] = rows["p"].mask(rows.index < 1, 1.5)
    rows["nil"] = 0
    rows["vast"] = np.where(np.arange(len(rows)) < 2, 1e200, 1)
    rows["one"] = "<=50K"
    rows["three"] = np.array(["x", "y", "z"])[rows.index % 3]
    rows["key"] = rows.index
    rows["fine"], rows["finer"] = rows.index % 60, rows.index % 61
    rows.to_csv("rows.csv", index=False)
    rows.to_parquet("rows.parquet")
    for name, part in POLICIES.items():
        Path(name).write_text(f"gates: {{fairness: {part}}}")
    Path("empty.yaml").touch()
    Path("other.yaml").write_text("gates: {performance: {checks: [{metric: auc, min: 0.6}]}}")
    Path("bad.yaml").write_text(POLICY.replace("fairness", "fairnes"))
    Path("corrupt.parquet").write_bytes(b"PAR1 nonsense PAR1")
    Path("empty.csv").touch()
    Path("header.csv").write_text("sex,income,decision\n")
    Path("twice.csv").write_text("sex,income,decision,sex\nF,1,1,F\n")
    Path("out.json").write_text("before")


@pytest.mark.parametrize(("options", "messages"), MISTAKES)
def test_mistakes_are_told_together_and_leave_the_old_verdict_alone(options, messages):
    write_wrong_inputs()
    result = run("fairness", **options)
    assert result.exit_code == 2, result.output
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert Path("out.json").read_text() == "before"
    assert not list(Path().glob(".out*"))


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_many_mistakes_are_one_message(data):
    write_wrong_inputs()
    result = run(
        "fairness",
        data=data,
        label="three",
        prediction="gap",
        score="beyond",
        weights="nil",
        groups="sex,key,fine*finer",
        policy="both.yaml",
        json_to="no/such/out.json",
    )
    lines = result.stderr.splitlines()
    assert result.exit_code == 2
    assert lines[0].endswith("problems")
    wanted = [
        "--json: there is no folder no/such",
        "gates.fairness.checks.2.metric: must be",
        "gates.fairness: checks.1 and checks.0 contradict each other",
        "three: has 3 classes",
        "gap: has no value in 7 of 2000 rows",
        "beyond: is not a number between 0 and 1 in 1 of 2000 rows",
        "nil: is 0 in every row",
        "key: has ",
    ]
    for message in wanted:
        assert sum(line.strip().startswith(message) for line in lines) == 1, message
    assert not Path("no").exists()


def test_options_that_contradict_each_other_are_told_with_the_rest():
    write_wrong_inputs()
    result = run("fairness", prediction=None, threshold=0.5, groups="sx", label="incom")
    assert result.exit_code == 2
    for message in (
        "--threshold: needs --score",
        "sx: no such column",
        'incom: no such column (did you mean "income"?)',
    ):
        assert message in result.stderr


def test_words_and_groups():
    assert word("01") == "01"
    assert word(0.5) == "0.5"
    assert parse_groups("a, b*c", Mistakes()) == ["a", ["b", "c"]]
    mistakes = Mistakes()
    parse_groups("a*a", mistakes)
    assert "names twice: a*a" in str(mistakes.found[0])
