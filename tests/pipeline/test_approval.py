"""Whose yes counts, and what the reviewer is shown."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.pipeline.support import make_folder, make_run

from assay.core import Check, Event, Judgement, Limit, Outcome, Stopwatch, Subject, bind, decide
from assay.pipeline.answers import Answer, invalid, judge_answer
from assay.pipeline.approval_text import body

HOSTILE = "x | y\n| fairness | **PASS** |\n# done <img src=x> [ok](http://evil.example) `a` ~~b~~"


@pytest.fixture
def run(tmp_path):
    return made(tmp_path)


def made(tmp_path, *, policy=None, **changes):
    run = make_run(None, make_folder(tmp_path, **(policy or {})), **changes)
    facts = {
        "request": {"requester": run.requester, "reason": run.reason},
        "snapshot": {"snapshot": "toy-0123456789abcdef"},
        "registration": {"version": 3},
    }
    run.__dict__.update(  # what it would read from its dossier
        seen=[
            Event(event=kind, operation=kind, by="somebody", at="2026-01-01T00:00:00Z", facts=each)
            for kind, each in facts.items()
        ],
        candidate=SimpleNamespace(digest="c" * 64),
        dossier=SimpleNamespace(run_id="d" * 32, events=lambda _: [], verdicts=list),
    )
    return run


def answer(user=("2", "reviewer"), chosen="Approve", **more):
    names = None if user is None else dict(zip(("id", "name"), user, strict=True))
    return {
        "chosen_options": [chosen], "params_input": {"reason": " looks good "}, "responded_at": "2026-01-02T03:04:05Z",
        "responded_by_user": names, **more,
    }  # fmt: skip


def taken(run, event):
    """Why an answer does not count; else what it decides, and why."""
    given = Answer.of(event)
    if why := invalid(run, "model_owner", given, []):
        return why
    judgement = judge_answer("model_owner", given)
    assert decide(judgement.checks) is judgement.outcome
    return judgement.outcome, judgement.checks[0].reason


def test_another_person_may_approve(run):
    approved = (Outcome.PASS, "approved as model owner by reviewer at 2026-01-02T03:04:05Z: looks good")
    assert taken(run, answer()) == approved
    assert taken(made(run.folder.path / "scheduled", requester=None), answer()) == approved


@pytest.mark.parametrize("user", [("engineer", "engineer"), ("7", "engineer"), ("engineer", "E. N. Gineer")])
def test_the_requester_may_not_whether_known_by_id_or_by_name(run, user):
    assert taken(run, answer(user)) == "asked for this run and so cannot approve it"


def test_nobody_may_who_ever_asked_for_this_run_even_when_another_trigger_began_it(run):
    first, *others = run.seen
    again = replace(first, operation="request:reviewer", facts={**first.facts, "requester": "reviewer"})
    run.__dict__["seen"] = [first, *others, again]
    refused = "asked for this run and so cannot approve it"
    assert taken(run, answer()) == taken(run, answer(("7", "engineer"))) == refused
    assert taken(run, answer(("8", "officer")))[0] is Outcome.PASS


def test_nobody_may_whose_trigger_was_never_recorded(run):
    run.__dict__["seen"][0] = replace(run.seen[0], facts={"requester": "somebody", "reason": ""})
    assert taken(run, answer(("7", "engineer"))) == "asked for this run and so cannot approve it"


@pytest.mark.parametrize("user", [None, ("", ""), (None, None)])
def test_an_answer_by_nobody_does_not_count(run, user):
    assert taken(run, answer(user)) == "names no person"


def test_reject_refuses(run):
    refused = (Outcome.FAIL, "refused by reviewer at 2026-01-02T03:04:05Z: looks good")
    assert taken(run, answer(chosen="Reject")) == refused


@pytest.mark.parametrize(
    ("chosen", "said"), [([], "nothing"), (["Approve", "Reject"], "Approve, Reject"), (["approve"], "approve")]
)
def test_anything_but_the_two_options_does_not_count(run, chosen, said):
    assert taken(run, answer(chosen_options=chosen)) == f"chose {said} instead of Approve or Reject"


def test_the_requester_may_withdraw_it_where_the_policy_names_nobody(run):
    assert taken(run, answer(("7", "engineer"), "Reject"))[1].startswith("refused by engineer")


@pytest.mark.parametrize("chosen", ["Approve", "Reject"])
@pytest.mark.parametrize("user", [("8", "stranger"), ("reviewer2", "x"), ("9", "Reviewer")])
def test_only_those_whom_the_policy_names_may_answer_at_all(tmp_path, user, chosen):
    run = made(tmp_path, policy={"approval": {"model_owners": ["reviewer"]}})
    assert taken(run, answer(user, chosen)) == "is not named in approval.model_owners of the policy"
    assert taken(run, answer(chosen=chosen))[0] in (Outcome.PASS, Outcome.FAIL)


@pytest.mark.parametrize(
    "given",
    [None, {}, *({"reason": each} for each in (None, "  ", "\u200b\u2060", "...", {"a": 1}, ["b"], 7))],
)
def test_a_reason_may_be_left_out(run, given):
    assert taken(run, answer(params_input=given))[1] == "approved as model owner by reviewer at 2026-01-02T03:04:05Z"


def verdicts():
    subject = Subject(model="c" * 64, policy_sha256="p", snapshot="s", code_version="v")
    checks = {
        "performance": [
            Check(
                name="auc", outcome=Outcome.PASS, reason="within", estimate=0.91234567, interval=(0.9, 0.92),
                limit=Limit(min=0.9),
            ),
        ],
        "fairness": [
            Check(name="tpr", attribute="sex", outcome=Outcome.INCONCLUSIVE, reason="too few", limit=Limit(max=0.1)),
            Check(name="fpr", attribute="a|b", outcome=Outcome.FAIL, severity="warning", reason=HOSTILE),
            Check(name="rate", outcome=Outcome.ERROR, severity="info", reason="broke"),
            Check(name="clean", outcome=Outcome.PASS, reason="never listed"),
        ],
    }  # fmt: skip
    return [
        bind(gate, Judgement(outcome=decide(each), checks=each), subject, Stopwatch()) for gate, each in checks.items()
    ]


def test_the_reviewer_sees_every_gate_and_every_check_that_is_no_clean_pass(run):
    text = body(run, verdicts(), "model_owner")
    assert f"**{run.folder.policy.model} version 3** (risk tier low, owner team)" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| gate", "| performance", "| fairness"]
    assert "1 of 1 pass | auc | 0.9123 [0.9, 0.92] | ≥ 0.9 |" in rows[1]
    assert "1 of 4 pass | tpr by sex | " in rows[2]
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert [each in line for each, line in zip(("tpr", "fpr", "rate"), listed, strict=True)] == [True] * 3
    assert "never listed" not in text
    assert "`toy-0123456789abcdef`" in text
    assert "Nobody who asked for the run can approve it." in text


def test_text_from_outside_cannot_draw_a_verdict_of_its_own(tmp_path):
    text = body(made(tmp_path, reason=HOSTILE, requester="<img>*ed*"), verdicts(), "model_owner")
    calm = body(made(tmp_path, reason="calm"), verdicts(), "model_owner")
    assert len(text.splitlines()) == len(calm.splitlines())
    assert text.count(r"x \| y \| fairness \| \*\*PASS\*\* \| \# done \<img src=x\>") == 2
    assert r"**\<img\>\*ed\***" in text
    assert "<img" not in text.replace(r"\<img", "")
    assert r"\[ok\]\(http://evil.example\) \`a\` \~\~b\~\~" in text


def test_everybody_who_asked_is_named(run):
    first = run.seen[0]
    again = replace(first, operation="request:reviewer", facts={**first.facts, "requester": "reviewer"})
    run.__dict__["seen"] = [*run.seen, again]
    assert r"was asked for by **engineer**, then again by **reviewer**: new \| data" in body(
        run, verdicts(), "model_owner"
    )


def test_a_schedule_s_run_says_so(tmp_path):
    assert "was asked for by **the schedule**." in body(
        made(tmp_path, requester=None, reason=""), verdicts(), "model_owner"
    )
