"""Facts of a version by hand: every kind of record, every outcome, and words that try to be markup."""

from dataclasses import replace

from tests.governance.sample import HOSTILE, POLICY, contract, fairness, performance

from assay.core import Event, GroupMetrics, Judgement, Measured, Stopwatch, Subject, bind, decide
from assay.evidence.card.facts import CardFacts
from assay.evidence.explain.results import Effort, Explanation, Ranking
from assay.policy import parse_policy

MODEL, CODE, RUN = "c" * 64, "d" * 64, "retrain_toy/manual__1"
SHEET = f"""\
# Datasheet: toy

What nobody knows is left _blank_.

## Motivation

- **Why?** To show, with `code`, *stress* and {HOSTILE}. _blank_

## Composition and more

| a | b |
|---|---|
| 1 | 2 |

## Secret recipe

Salt.
"""


def policy(**changes):
    text = POLICY.decode().replace("risk_tier: high", "risk_tier: low")
    for name, value in changes.items():
        text += f"{name}: {value}\n"
    return parse_policy(text.encode(), "policy.yaml")


def explanation(**changes):
    def measured(estimate, low, high):
        return Measured(estimate=estimate, interval=(low, high), support=500)

    everyone = {"a": measured(0.2, 0.18, 0.22), "b": Measured(estimate=0.0, interval=None, support=500)}
    rankings = [
        Ranking(measure=measure, group=group, rows=500, features=everyone)
        for measure in ("auc_drop", "brier_rise", "mean_shapley")
        for group in ({}, {"sex": "Female"})
    ]
    small = Ranking(measure="auc_drop", group={"sex": HOSTILE}, rows=7, features={}, absent="fewer than 100 rows")
    given = {
        "model": MODEL, "snapshot": "toy-0123456789abcdef", "holdout": 900, "seed": 3, "confidence": 0.95,
        "effort": Effort(), "rankings": (*rankings, small),
    }  # fmt: skip
    return Explanation(**{**given, **changes})


def records(*more):
    """A chain from the request to the registration, and what is added to it."""
    chain = []

    def add(record):
        previous = chain[-1].digest if chain else None
        if isinstance(record, Event):
            chain.append(record.after(previous))
        else:
            chain.append(record.numbered(attempt=1, previous=previous))

    for kind, facts in _EVENTS[:2]:
        add(event(kind, **facts))
    add(verdict("contract", contract(), model=None))
    add(event("training", **_TRAINING))
    add(verdict("performance", performance()))
    add(verdict("fairness", fairness(), groups=_GROUPS))
    failed = fairness()[2]
    add(
        event(
            "waiver", id="w1", gate="fairness", verdict=chain[-1].digest, check=failed.name,
            attribute=failed.attribute, reason="known", owner="Dora", expires="2026-12-01",
        )
    )  # fmt: skip
    add(event("registration", version=3, sha256=MODEL, policy_sha256="a" * 64, code_version=CODE))
    for record in more:
        add(record)
    return chain


def facts(*more, **changes):
    given = {
        "model": "toy", "version": 3, "dossier": "f" * 32, "records": records(*more), "policy": policy(),
        "manifest": {"schema": [{"name": "a", "type": "double"}, {"name": "sex", "type": "string"}]},
        "datasheet": SHEET, "explanation": explanation(),
    }  # fmt: skip
    return CardFacts(**{**given, **changes})


def event(kind, **facts):
    return Event(event=kind, operation=kind, by=RUN, at="2026-03-04T05:06:07.000Z", facts=facts)


def verdict(gate, checks, *, model=MODEL, groups=()):
    subject = Subject(model=model, policy_sha256="a" * 64, snapshot="toy-0123456789abcdef", code_version=CODE)
    watch = Stopwatch()
    watch.started_at = "2026-03-04T05:06:08.000Z"
    made = bind(gate, Judgement(outcome=decide(checks), checks=checks, groups=groups), subject, watch)
    return replace(made, seconds=1.5)


_EVENTS = [
    (
        "request",
        {
            "run_key": RUN, "requester": "engineer", "reason": f"new | data {HOSTILE}", "seed": 3, "risk_tier": "low",
            "policy_sha256": "a" * 64, "train_sha256": "b" * 64, "code_version": CODE,
            "environment": {"numpy": "2.4.6"}, "files": {"inputs/datasheet.md": "e" * 64},
        },
    ),
    (
        "snapshot",
        {
            "snapshot": "toy-0123456789abcdef", "rows": 3000, "content_sha256": "1" * 64, "source": "toy.csv",
            "source_sha256": "2" * 64, "table_version": 0,
        },
    ),
]  # fmt: skip
_TRAINING = {
    "sha256": MODEL, "seed": 3, "threshold": 0.5, "parameters": {"max_iter": 100}, "key": "0123456789abcdef",
    "files": {"model.onnx": MODEL}, "training_rows": 2100, "holdout_rows": 900,
}  # fmt: skip
_GROUPS = [
    GroupMetrics(
        group=group,
        n=450,
        metrics={
            "tpr": Measured(estimate=0.5, interval=(0.4, 0.6), support=100),
            "fpr": Measured(estimate=None, interval=None, support=0),
        },
    )
    for group in ({"sex": "Male"}, {"sex": HOSTILE}, {"sex": "Male", "race": "x"})
]
