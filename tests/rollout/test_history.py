"""The history tells of every instant what the deployment was then, whatever the clocks said."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, update
from tests.rollout.support import LIMITS, ref

from assay.core import AssayError, UserError
from assay.rollout import Rollouts, Served, history, timeline
from assay.rollout.database import writing
from assay.rollout.history import Step, at, unroll
from assay.rollout.tables import MOVE, ROLLOUT

START = datetime(2030, 1, 1, tzinfo=UTC)
SHARES = (10, 50, 100)


def iso(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def begun_on(n):
    approved = [{"role": "model owner", "who": f"owner {n}", "at": iso(n)}]
    return {"dossier": f"dossier {n}", "head": f"{n:064x}", "approved_by": approved}


@st.composite
def stories(draw, backwards=False):
    """Moves of a model as the rollouts would make them, with the (champion, canary, share) after each."""
    steps, after = [], []
    champion, running, stage, clock = None, None, -1, 0
    for number in range(1, draw(st.integers(1, 25)) + 1):
        clock += draw(st.integers(-50 if backwards else 1, 50))
        actions = ["begin"] if running is None else ["roll_back", "promote" if stage == 2 else "advance"]
        action = draw(st.sampled_from(actions))
        evidence = None
        if action == "begin":
            running, stage = number, -1
            evidence = json.dumps({"version": running, "digest": ref(running).digest, **begun_on(running)})
        stage += action == "advance"
        to_stage = f"canary {SHARES[stage]} %" if action == "advance" else action
        steps.append(Step(running, action, to_stage, f"run {running}", iso(clock), evidence, None))
        if action == "promote":
            champion, running = running, None
        if action == "roll_back":
            running = None
        after.append((champion, running, SHARES[stage] if running and stage >= 0 else 0))
    return steps, after


def serving(served):
    """(champion, canary, share of the canary) of what served at one instant; all shares accounted for."""
    by_role = {each.role: each for each in served}
    assert len(by_role) == len(served)
    champion, canary = by_role.get("champion"), by_role.get("canary")
    if champion:
        assert champion.share + (canary.share if canary else 0) == 100
    return champion and champion.version, canary and canary.version, canary.share if canary else 0


def moment(text):
    return datetime.fromisoformat(text)


@given(stories())
@settings(max_examples=150, deadline=None)
def test_at_every_instant_it_tells_what_the_moves_had_made(story):
    steps, after = story
    served = unroll(steps)
    assert at(served, moment(steps[0].at) - timedelta(milliseconds=1)) == []
    for step, following, state in zip(steps, [*steps[1:], None], after, strict=True):
        last = moment(following.at) - timedelta(milliseconds=1) if following else moment(step.at) + timedelta(days=9)
        assert serving(at(served, step.at)) == serving(at(served, last)) == state


@given(stories(backwards=True))
@settings(max_examples=150, deadline=None)
def test_a_clock_that_goes_backwards_breaks_nothing(story):
    steps, after = story
    served = unroll(steps)
    assert all(each.until is None or moment(each.since) <= moment(each.until) for each in served)
    for role in ("champion", "canary"):
        mine = [each for each in served if each.role == role]
        assert all(moment(one.until) <= moment(next_.since) for one, next_ in pairwise(mine))
        if role == "champion":  # once there is one there is always one
            assert all(one.until == next_.since for one, next_ in pairwise(mine))
    instants = {each.since for each in served} | {each.until for each in served if each.until}
    for instant in instants:
        serving(at(served, instant))
    assert serving(at(served, max(map(moment, instants)))) == after[-1]
    assert {each.version for each in served} == {step.rollout_id for step in steps}


@given(stories(backwards=True))
@settings(max_examples=80, deadline=None)
def test_a_version_keeps_what_its_own_rollout_began_with(story):
    steps, _ = story
    for each in unroll(steps):
        assert each.digest == ref(each.version).digest
        begun = {"dossier": each.dossier, "head": each.head, "approved_by": list(each.approved_by)}
        assert begun == begun_on(each.version)


def test_a_champion_and_the_canary_that_replaced_it():
    begin = {n: json.dumps({"version": n, "digest": ref(n).digest, **begun_on(n)}) for n in (1, 2)}
    moves = [
        (1, "begin", "shadow"), (1, "advance", "canary 10 %"), (1, "promote", "champion"),
        (2, "begin", "shadow"), (2, "advance", "canary 25 %"), (2, "promote", "champion"),
    ]  # fmt: skip
    served = unroll(
        Step(n, action, stage, f"run {n}", iso(60 * minute), begin[n] if action == "begin" else None, None)
        for minute, (n, action, stage) in enumerate(moves)
    )
    rows = [
        (each.version, each.role, each.share, each.since[14:16], each.until and each.until[14:16]) for each in served
    ]
    assert rows == [
        (1, "canary", 0, "00", "01"),
        (1, "canary", 10, "01", "02"),
        (1, "champion", 100, "02", "04"),
        (2, "canary", 0, "03", "04"),
        (1, "champion", 75, "04", "05"),
        (2, "canary", 25, "04", "05"),
        (2, "champion", 100, "05", None),
    ]
    taken = served[4]
    assert (taken.action, taken.run_key, taken.rollout_id) == ("advance", "run 2", 2)
    assert (taken.dossier, taken.approved_by[0]["who"]) == ("dossier 1", "owner 1")
    assert taken.to_dict() == {
        "version": 1, "digest": ref(1).digest, "role": "champion", "share": 75, "from": iso(240), "to": iso(300),
        "action": "advance", "run_key": "run 2", "rollout_id": 2, **begun_on(1),
    }  # fmt: skip


def test_it_agrees_with_the_deployment_after_each_of_many_moves(rollouts):
    rng, clock = random.Random(5), [0.0]
    ticking = Rollouts(rollouts.engine, clock=lambda: iso(clock[0]))
    seen, version, row = [], 0, None
    for _ in range(60):
        clock[0] += rng.choice([0.001, 1, 1000])
        if row is None or not row.active or rng.random() < 0.1:  # the last supersedes what is on its way
            version += 1
            row = ticking.begin(ref=ref(version), run_key=f"r {version}", policy=LIMITS, evidence=begun_on(version))
        elif rng.random() < 0.1:
            row = ticking.roll_back(row.id, row.epoch, reason="no")
        else:
            row = (ticking.promote if row.last_stage else ticking.advance)(row.id, row.epoch)
        held = ticking.current("income")
        seen.append(
            (iso(clock[0]), held.champion and held.champion.version, held.canary and held.canary.version, held.share)
        )
    clock[0] += LIMITS.max_hours * 3600
    ticking.expire()
    served = timeline(rollouts.engine, "income")
    for when, *state in seen:
        assert list(serving(at(served, when))) == state
    assert {each.role for each in at(served, iso(clock[0]))} == {"champion"}
    assert {each.dossier for each in served} == {f"dossier {n}" for n in range(1, version + 1)}


def test_what_was_begun_before_moves_named_their_version_is_told_too(rollouts):
    row = rollouts.begin(ref=ref(7), run_key="run", policy=LIMITS)
    (begun,) = rollouts.history("income")
    assert begun.evidence == {"version": 7, "digest": ref(7).digest}
    old = unroll([Step(row.id, "begin", "shadow", "run", iso(0), "{}", 7)])
    assert old == [
        Served(
            version=7, digest=None, role="canary", share=0, since=iso(0), until=None, action="begin", run_key="run",
            rollout_id=row.id, approved_by=(), dossier=None, head=None,
        )
    ]  # fmt: skip


def test_a_rollouts_row_that_was_tampered_with_changes_no_history(owned):
    owned.begin(ref=ref(7), run_key="run", policy=LIMITS, evidence={**begun_on(7), "version": 9})
    before = timeline(owned.engine, "income")
    with writing(owned.engine) as connection:
        connection.execute(update(ROLLOUT).values(version=8, run_key="other", canary=ref(8).to_json()))
    assert timeline(owned.engine, "income") == before
    assert [each.version for each in before] == [7]
    with writing(owned.engine) as connection:
        connection.execute(ROLLOUT.delete())
    assert timeline(owned.engine, "income") == before


def test_moves_that_tell_no_story_are_refused():
    begin = Step(1, "begin", "shadow", "run", iso(0), '{"version": 1}', None)
    for steps in (
        [Step(1, "advance", "canary 5 %", "run", iso(0), None, 1)],
        [begin, begin._replace(action="teleport")],
        [begin._replace(evidence="{}")],
    ):
        with pytest.raises(AssayError, match="rollout 1"):
            unroll(steps)


def test_times_are_taken_for_utc_unless_they_say_otherwise(rollouts):
    Rollouts(rollouts.engine, clock=lambda: iso(0)).begin(ref=ref(1), run_key="run", policy=LIMITS)
    served = timeline(rollouts.engine, "income")
    east = timezone(timedelta(hours=2))
    for after in ("2030-01-01", "2030-01-01T00:00Z", "2030-01-01 02:00+02:00", START, START.astimezone(east)):
        assert at(served, after) == served
    for before in ("2029-12-31T23:59:59.999", "2030-01-01T00:00+02:00", datetime(2029, 12, 31)):
        assert at(served, before) == []
    with pytest.raises(UserError, match="yesterday: is not a time"):
        at(served, "yesterday")
    assert timeline(rollouts.engine, "unknown") == []
    assert at([], "2030-01-01") == []


def test_a_history_is_one_select_that_leaves_the_long_evidence_where_it_is(rollouts, monkeypatch):
    """What makes ten thousand moves cheap; what they cost is measured elsewhere."""
    count = 400
    moves = [
        {
            "op_key": f"{n}", "model": "income", "rollout_id": n // 4 + 1, "epoch": n + 1,
            "action": ["begin", "advance", "advance", "promote"][n % 4], "from_stage": "",
            "to_stage": ["shadow", "canary 10 %", "canary 100 %", "champion"][n % 4], "run_key": f"run {n // 4}",
            "evidence": "x" * 2000 if n % 4 else json.dumps({"version": n, "digest": "0" * 64, **begun_on(n)}),
            "at": iso(n * 60),
        }
        for n in range(count)
    ]  # fmt: skip
    with writing(rollouts.engine) as connection:
        connection.execute(insert(MOVE), moves)
    asked, steps, parsed = [], [], []

    def play(read):
        steps.extend(read)
        return unroll(steps)

    def loads(text):
        parsed.append(text)
        return json.JSONDecoder().decode(text)

    event.listen(rollouts.engine, "before_cursor_execute", lambda *sent: asked.append(sent[2].split()[0]))
    monkeypatch.setattr(history, "unroll", play)
    monkeypatch.setattr(history.json, "loads", loads)
    (now,) = at(timeline(rollouts.engine, "income"), iso(count * 60))
    assert (now.version, now.share) == (count - 4, 100)
    assert [each for each in asked if each != "BEGIN"] == ["SELECT"]
    assert {step.evidence for step in steps if step.action != "begin"} == {None}
    assert parsed == [step.evidence for step in steps if step.action == "begin"]
