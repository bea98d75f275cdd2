"""Tags are shown by MLflow, so they must be such as it takes; and each thing shows what is about it."""

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_model_version_tag, _validate_tag

from assay.core import Event, Judgement, Outcome, Stopwatch, Subject, bind
from assay.registry.images import candidate_tags, incident_tags, run_tags, tags_of, version_tags


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


def event(kind, **facts):
    return Event(event=kind, operation=kind, by="run", at="t", facts=facts)


def trained(sha256):
    return event("training", candidate=f"m-{sha256}", sha256=sha256)


def registered(version, sha256):
    return event("registration", version=version, candidate=f"m-{sha256}", sha256=sha256)


def judged(gate, model, outcome=Outcome.PASS):
    subject = Subject(model=model, policy_sha256="p", snapshot="s", code_version="c")
    return bind(gate, Judgement(outcome=outcome, checks=[]), subject, Stopwatch())


def waived(verdict):
    facts = {"gate": verdict.gate, "check": "auc", "attribute": None, "id": "0a", "expires": "2026-05-31"}
    return event("waiver", verdict=verdict.digest, **facts)


def gates_in(tags):
    return sorted(key.removeprefix("assay.") for key in tags if key.startswith(("assay.verdict", "assay.waiver")))


SNAPSHOT = event("snapshot", snapshot="s")
CONTRACT = judged("contract", None)


def test_a_candidate_shows_what_was_decided_about_it_before_there_was_a_version():
    failed = judged("performance", "a", Outcome.FAIL)
    chain = [SNAPSHOT, CONTRACT, trained("a"), failed, waived(failed), waived(CONTRACT), judged("contract", None)]
    assert gates_in(candidate_tags(chain)) == ["verdict.performance", "waiver.performance.auc"]
    assert candidate_tags(chain)["assay.snapshot"] == "s"
    with_version = [*chain, registered(1, "a"), judged("approval", "a")]
    assert gates_in(candidate_tags(with_version)) == ["verdict.performance", "waiver.performance.auc"]
    assert gates_in(candidate_tags([*chain, trained("b"), judged("fairness", "b")])) == ["verdict.fairness"]
    assert gates_in(candidate_tags([*chain, trained("b"), trained("a")])) == gates_in(candidate_tags(chain))
    assert candidate_tags([SNAPSHOT, CONTRACT]) == {}


def test_versions_of_one_dossier_show_each_its_own():
    first = [SNAPSHOT, CONTRACT, trained("a"), judged("performance", "a"), registered(4, "a")]
    moved = event("rollout", version=4, to_stage="shadow")
    second = [*first, moved, trained("b"), judged("fairness", "b"), registered(7, "b")]
    chain = [*second, judged("approval", "b"), event("rollout", version=4, to_stage="rolled_back")]
    one, other = version_tags(chain, "d", 4), version_tags(chain, "d", 7)
    assert (one["assay.candidate_sha256"], other["assay.candidate_sha256"]) == ("a", "b")
    assert (one["assay.rollout"], "assay.rollout" in other) == ("rolled_back", False)
    assert "verdict.approval" not in gates_in(one)
    assert gates_in(other) == ["verdict.approval", "verdict.contract", "verdict.fairness", "verdict.performance"]
    assert version_tags(chain, "d") == other
    assert version_tags(first[:-1], "d") == version_tags(first, "d", 4)
    assert one["assay.dossier"] == "d"


def test_a_version_is_of_the_model_that_was_registered_not_of_the_last_that_was_trained():
    tags = version_tags([SNAPSHOT, trained("a"), trained("b"), registered(4, "a")], "d")
    assert (tags["assay.candidate"], tags["assay.candidate_sha256"]) == ("m-a", "a")


def test_a_run_shows_the_latest_of_everything_and_its_head():
    chain = [SNAPSHOT, CONTRACT, trained("a"), trained("b")]
    tags = run_tags(chain)
    assert (tags["assay.candidate"], tags["assay.head"]) == ("m-b", f"4:{chain[-1].digest}")
    assert run_tags([]) == {}


def test_open_incidents_are_one_tag():
    assert incident_tags([11, 2]) == {"assay.incident": "2,11"}
    assert incident_tags([]) == {}
