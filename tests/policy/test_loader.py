"""Every mistake in a policy file is said at once, each with its path and a mend."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from assay.core import UserError, sha256_bytes
from assay.policy import find_model, load_folder, load_gates, model_folders, parse_policy

GOOD = """
schema: 1
model: income
owner: credit
risk_tier: high
data:
  source: a.parquet
  key: id
  label: income
  positive: ">50K"
  features: [age, job]
  sensitive: [sex, race]
gates:
  performance: {checks: [{metric: auc, min: 0.8}]}
  fairness: {groups: [sex, [sex, race]], checks: [{metric: tpr, max: 0.1}]}
  robustness: {checks: [{scenario: noise, max_drop: 0.05}]}
approval: {model_owners: [anna], risk_officers: [omar]}
rollout: {max_brier: 0.2}
"""

BAD = """
schema: 1
model: Income
ownr: credit
risk_tier: huge
data:
  source: a.parquet
  key: id
  label: income
  positive: 1.5
  features: [age, age]
  sensitive: [sex]
  holdout: "0.3"
training: {parameters: {depth: [1]}}
gates:
  performance: {checks: [{metric: auc, min: 0.8, maxx: 3}, {metric: auc}]}
  fairness: {groups: [sex, [sex, race], 3, []], checks: [{metric: tpr, max: 1.2}]}
  robustness: {checks: []}
rollout: {max_brier: .nan, stages: [5, 5]}
"""

BAD_MESSAGE = """\
policy.yaml: 15 problems
  model: string should match pattern '^[a-z][a-z0-9_]{0,62}$', got 'Income'
  owner: is missing
  risk_tier: must be 'low', 'medium' or 'high', got 'huge'
  data.positive: must be a valid string, or must be a valid integer, or must be a valid boolean, got 1.5
  data.features: named twice: age
  data.holdout: must be a valid number, got '0.3'
  training.parameters.depth: must be a valid string, or must be a valid integer, or must be a valid number, \
or must be a valid boolean, got [1]
  gates.performance.checks.0.maxx: unknown key (did you mean "max"?)
  gates.performance.checks.1: give min, max or both
  gates.fairness.groups.2: must be a valid string, or must be a valid list, got 3
  gates.fairness.groups.3: must not be empty, got []
  gates.fairness.checks.0: max must be between 0 and 1, got 1.2
  gates.robustness.checks: must not be empty, got []
  rollout.max_brier: must be a finite number, got nan
  ownr: unknown key (did you mean "owner"?)"""


def message(content: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        parse_policy(content if isinstance(content, bytes) else content.encode(), "policy.yaml")
    return str(caught.value)


def test_a_good_policy_is_read_whole():
    policy = parse_policy(GOOD.encode(), "policy.yaml")
    assert policy.gates.fairness.attributes == [("sex",), ("sex", "race")]
    assert policy.data.columns == ["id", "income", "age", "job", "sex", "race"]
    assert policy.gates.performance.confidence == 0.95


def test_all_mistakes_at_once():
    assert message(BAD) == BAD_MESSAGE


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "policy.yaml: is empty; a policy is a mapping of keys to values"),
        ("- a", "policy.yaml: holds a list; a policy is a mapping of keys to values"),
        (
            "schema: 1\nmodel: a\nschema: 1",
            'policy.yaml: line 3, column 1: is not YAML: the key "schema" is given twice',
        ),
        ("a: [1\nb: 2", "policy.yaml: line 2, column 2: is not YAML: did not find expected ',' or ']'"),
        ("a: 2020-99-99", "policy.yaml: is not YAML: month must be in 1..12"),
        (
            "a: !!python/object/apply:os.getcwd []",
            "policy.yaml: line 1, column 4: is not YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getcwd'",
        ),
    ],
)
def test_what_is_no_policy_at_all(content, expected):
    assert message(content) == expected


def test_bytes_that_are_no_text():
    assert "is not YAML" in message(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[sex, [sex, race]]", "[age]", "names columns that are not in data.sensitive: age"),
        ("[sex, [sex, race]]", "[[sex, race], [race, sex]]", "groups named twice: race*sex, sex*race"),
        ("[sex, [sex, race]]", "[[sex, sex]]", "gates.fairness.groups.0: named twice: sex"),
        ("[age, job]", "[age, income]", "the label and the key cannot be features: income"),
        ("sensitive: [sex, race]", "sensitive: [sex, race, income]", 'the label "income" cannot be sensitive'),
        ("max_brier: 0.2", "max_brier: 0.2, stages: [50, 5, 100]", "stages must rise and end at 100"),
        ("min: 0.8", "min: .inf", "gates.performance.checks.0.min: must be a finite number, got inf"),
        ("min: 0.8", "min: 0.8, max: 0.7", "min 0.8 is above max 0.7"),
        ("min: 0.8", 'min: "0.8"', "gates.performance.checks.0.min: must be a valid number, got '0.8'"),
    ],
)
def test_each_contradiction_is_named(old, new, expected):
    assert old in GOOD
    assert expected in message(GOOD.replace(old, new))


def test_gates_alone_are_enough_for_a_gate(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("gates: {performance: {checks: [{metric: auc, min: 0.8}]}}")
    gates, digest = load_gates(path)
    assert gates.performance is not None
    assert gates.fairness is None
    assert digest == sha256_bytes(path.read_bytes())


GATES = "gates: {performance: {checks: [{metric: auc, min: 0.8}]}}\n"


def test_a_piece_of_a_policy_that_holds_gates_is_enough_but_must_be_right(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("model: second\nowner: somebody\n" + GATES)
    assert load_gates(path)[0].performance is not None
    path.write_text("modle: second\nrisk_tier: highest\n" + GATES)
    with pytest.raises(UserError) as error:
        load_gates(path)
    assert 'modle: unknown key (did you mean "model"?)' in str(error.value)
    assert "risk_tier: must be" in str(error.value)


def test_gates_of_a_whole_policy(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    assert load_gates(path)[0].robustness is not None


def test_a_mistake_in_gates_alone_has_its_full_path(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("gates: {fairness: {groups: [sex], cheks: []}}")
    with pytest.raises(UserError) as caught:
        load_gates(path)
    assert [str(p) for p in caught.value.problems] == [
        "gates.fairness.checks: is missing",
        'gates.fairness.cheks: unknown key (did you mean "checks"?)',
    ]


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_gates(tmp_path / "p.yaml")


def test_a_folder_says_all_that_is_missing_beside_the_policy(tmp_path):
    folder = tmp_path / "loans"
    folder.mkdir()
    (folder / "policy.yaml").write_text(GOOD)
    with pytest.raises(UserError) as caught:
        load_folder(folder)
    assert [(Path(p.path).name, p.message) for p in caught.value.problems] == [
        ("contract.json", "no such file"),
        ("train.py", "no such file"),
        ("model", 'is "income" but the folder is "loans"'),
    ]


def test_an_unknown_model_names_the_nearest(tmp_path):
    (tmp_path / "income").mkdir()
    (tmp_path / "income" / "policy.yaml").write_text(GOOD)
    with pytest.raises(UserError, match='did you mean "income"'):
        find_model(tmp_path, "incme")


def test_a_high_risk_tier_needs_named_people_and_keeps_dossiers_for_ten_years():
    nobody = GOOD.replace("approval: {model_owners: [anna], risk_officers: [omar]}", "retention: {dossier_years: 3}")
    said = message(nobody.replace("[sex, [sex, race]]", "[age]"))
    assert "names columns that are not in data.sensitive: age" in said
    assert "risk tier high needs people named in approval.model_owners and approval.risk_officers" in said
    assert "retention.dossier_years is 3; risk tier high keeps dossiers for 10 years" in said


def test_a_tier_sets_the_least_that_a_policy_may_keep():
    assert parse_policy(GOOD.encode(), "policy.yaml").retention_years == 10
    longer = parse_policy((GOOD + "retention: {dossier_years: 12}\n").encode(), "policy.yaml")
    assert longer.retention_years == 12


def test_only_features_can_be_mutable():
    assert "mutable names columns that are not features: sex" in message(
        GOOD.replace("key: id", "key: id\n  mutable: [sex]")
    )


@pytest.mark.parametrize(
    ("given", "said"), [("2", "is 2, the form of a later release"), ("true", "must be 1"), ("0", "must be 1")]
)
def test_a_policy_of_a_later_form_says_so(given, said):
    assert said in message(GOOD.replace("schema: 1", f"schema: {given}"))


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_what_is_nested_beyond_all_measure_is_refused_before_it_is_built(depth):
    assert "nested too deeply" in message(GOOD.replace("[sex, [sex, race]]", "[" * depth + "]" * depth))


@pytest.mark.parametrize("depth", [200, 4_000])
def test_of_what_is_nested_or_repeated_only_the_beginning_is_shown(depth):
    lists = "[" * depth + "]" * depth
    assert "got [[[[...]]]]" in message(GOOD.replace("[sex, [sex, race]]", lists))
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefg")
    )
    assert len(message(laughs + GOOD.replace("owner: credit", "owner: *g"))) < 5000


def test_a_folder_that_may_not_be_read_is_among_the_models_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    real = os.lstat

    def lstat(path):
        if "closed" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("assay.policy.loader.os.lstat", lstat)
    assert list(model_folders(tmp_path)) == [tmp_path / "closed"]


def test_aliases_may_be_used_within_bounds():
    shared = GOOD.replace("owner: credit", "owner: &name credit").replace("[anna]", "[*name]")
    assert parse_policy(shared.encode(), "policy.yaml").approval.model_owners == ["credit"]
