"""Tags are shown by MLflow, so they must be such as it takes."""

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_model_version_tag, _validate_tag

from assay.core import Event
from assay.registry.images import tags_of


def tag_of(attribute, check="tpr_difference"):
    facts = {"gate": "fairness", "check": check, "attribute": attribute, "id": "0a1b", "expires": "2026-05-31"}
    ((key, value),) = tags_of(Event(event="waiver", operation="w", by="run", at="t", facts=facts)).items()
    return key, value


@given(st.text(max_size=300), st.text(min_size=1, max_size=300))
@example("gain (usd)", "tpr_difference")
@example("a/../b", "x/")
@example("x" * 400, "y")
def test_a_waiver_s_tag_is_one_that_mlflow_takes_whatever_a_column_is_called(attribute, check):
    key, value = tag_of(attribute, check)
    _validate_tag(key, value)
    _validate_model_version_tag(key, value)
    assert key.startswith("assay.waiver.fairness.")


def test_a_waiver_s_tag_reads_like_its_check():
    assert tag_of("sex*race")[0] == "assay.waiver.fairness.tpr_difference.sex_x_race"
    assert tag_of(None)[0] == "assay.waiver.fairness.tpr_difference"


def test_long_names_stay_apart():
    assert tag_of("x" * 400)[0] != tag_of("x" * 401)[0]
