"""The committed schemas are those of the code, and say exactly what a verdict may be."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from tests.core.test_verdict import verdicts
from typer.testing import CliRunner

from assay.cli.schema import app, schema_text, verdict_schema
from assay.core import Check, Judgement, Limit, Outcome, Stopwatch, Subject, bind
from assay.policy import json_schema

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
SUBJECT = Subject(model="m", policy_sha256="p", snapshot="s", code_version="c")
CHECK = Check(name="a", outcome=Outcome.PASS, reason="r", interval=(0.0, 1.0), limit=Limit(max=1), groups=({"a": "b"},))
GOOD = bind("g", Judgement(outcome=Outcome.PASS, checks=[CHECK]), SUBJECT, Stopwatch()).to_dict()


@pytest.mark.parametrize(("name", "make"), [("verdict", verdict_schema), ("policy", json_schema)])
def test_the_committed_schema_is_the_codes(name, make, tmp_path):
    committed = (SCHEMAS / f"{name}.schema.json").read_text()
    assert committed == schema_text(make()), f"run: assay schema {name} --out docs/schema/{name}.schema.json"
    assert CliRunner().invoke(app, [name]).stdout == committed
    CliRunner().invoke(app, [name, "--out", str(tmp_path / "s.json")])
    assert (tmp_path / "s.json").read_text() == committed
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


VALIDATOR = jsonschema.Draft202012Validator(verdict_schema())


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(verdicts)
def test_every_verdict_conforms(verdict):
    VALIDATOR.validate(verdict.to_dict())


def changed(path, value):
    copy = json.loads(json.dumps(GOOD))
    *way, last = path
    place = copy
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((("checks", 0, name), ...) for name in GOOD["checks"][0]),
        *(((name,), ...) for name in GOOD),
        (("extra",), 1),
        (("outcome",), "OK"),
        (("outcome",), None),
        (("attempt",), 0),
        (("attempt",), "1"),
        (("checks", 0, "extra"), 1),
        (("checks", 0, "severity"), "fatal"),
        (("checks", 0, "interval"), [0.1]),
        (("checks", 0, "interval"), [0.1, 0.2, 0.3]),
        (("checks", 0, "interval"), [0.1, None]),
        (("checks", 0, "limit"), {}),
        (("checks", 0, "limit"), {"max": None}),
        (("checks", 0, "limit"), {"maximum": 1}),
        (("checks", 0, "support"), 1.5),
        (("checks", 0, "groups"), [{"sex": 1}]),
        (("groups",), [{"group": {"a": "b"}, "n": 1, "metrics": {"tpr": {"estimate": 0.1, "interval": None}}}]),
    ],
)
def test_what_is_no_verdict_is_refused(path, value):
    VALIDATOR.validate(GOOD)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(changed(path, value))
