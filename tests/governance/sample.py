"""A dossier by hand: every outcome, every kind of check, and reasons that try to be markup."""

from datetime import UTC, datetime, timedelta

from assay.core import (
    Check,
    Event,
    Group,
    GroupMetrics,
    Judgement,
    Limit,
    Measured,
    Outcome,
    Stopwatch,
    Subject,
    bind,
    decide,
    sha256_bytes,
    utc_now,
)
from assay.evidence.opening import archive
from assay.evidence.waivers import propose, waiver_event
from assay.policy import parse_policy
from assay.registry.sealed import file_name

HOSTILE = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>'
POLICY = b"""\
schema: 1
model: toy
owner: credit & risk
risk_tier: high
data: {source: toy.csv, key: id, label: y, positive: 1, features: [a], sensitive: [sex]}
gates:
  performance: {checks: [{metric: auc, min: 0.9}]}
  fairness: {groups: [sex], checks: [{metric: tpr, max: 0.1}]}
  robustness: {checks: [{scenario: noise, max_drop: 0.05}]}
approval: {model_owners: [reviewer], risk_officers: [officer]}
rollout: {max_brier: 0.2}
"""

_MEN, _WOMEN = {"sex": "Male"}, {"sex": "Female"}


def subject(policy_sha256, *, model="c" * 64):
    return Subject(model=model, policy_sha256=policy_sha256, snapshot="toy-0123456789abcdef", code_version="d" * 64)


def begin(settings, key, model="toy"):
    """A dossier with what comes before the gates, and what its verdicts are about."""
    about = subject(sha256_bytes(POLICY))
    dossier = archive(settings).open(model=model, run_key=f"retrain_{model}/{key}")
    dossier.store("inputs/policy.yaml", POLICY)
    facts = {
        "run_key": f"retrain_{model}/{key}", "requester": "engineer", "reason": f"because {HOSTILE}", "seed": 7,
        "risk_tier": "high", "policy_sha256": about.policy_sha256, "code_version": about.code_version,
        "environment": {"numpy": "2.3.5"}, "files": {"inputs/policy.yaml": about.policy_sha256},
    }  # fmt: skip
    record(dossier, "request", facts)
    taken = {"snapshot": about.snapshot, "rows": 48842, "source": "toy.csv", "table_version": 0}
    record(dossier, "snapshot", taken)
    return dossier, about


def record(dossier, kind, facts, operation=None):
    event = Event(event=kind, operation=operation or kind, by="retrain_toy/run", at=utc_now(), facts=facts)
    return dossier.record(event)


def trained(dossier, about):
    facts = {
        "candidate": "m-1", "path": "1/models/m-1/artifacts/model.onnx", "sha256": about.model, "seed": 7,
        "training_rows": 34189, "holdout_rows": 14653,
    }  # fmt: skip
    return record(dossier, "training", facts, "training:1")


def waive(dossier, verdict, check, *, expires=None, officer=None):
    """Let a failing check go on; `officer` is the key of the second person."""
    policy, today = parse_policy(POLICY, "policy"), datetime.now(UTC).date()
    last = expires or today + timedelta(days=10)
    waiver = propose(
        policy, check=f"fairness/{check.name}/{check.attribute}", reason=f"few rows {HOSTILE}",
        expires=last.isoformat(), owner="reviewer", today=min(today, last),
    ).signed(dossier.keyring, "reviewer")  # fmt: skip
    if officer:
        waiver = waiver.signed(dossier.keyring, "officer", key=officer)
    dossier.record(waiver_event(verdict, check, waiver, by="retrain_toy/run"))
    return waiver


def changed(dossier, number):
    """Store a record with another outcome under its own name, as somebody with access to the files could."""
    anchor = dossier.anchors.of(dossier.run_id)[number - 1]
    name = file_name(number, anchor.kind, anchor.digest)
    dossier.store(name, dossier.read(name).replace(b'"outcome":"FAIL"', b'"outcome":"PASS"'))


def approved(role, who, reason="the gap is known"):
    answer = {"role": role, "who": who, "at": "2026-01-06T09:30:00Z", "reason": reason}
    return [Check(name="approval", outcome=Outcome.PASS, reason=f"approved as {role} by {who}", groups=[answer])]


def contract():
    passing = [
        Check(
            name=f"expect_column_values_{number}", outcome=Outcome.PASS, reason="0 of 14,653 rows unexpected",
            metric="unexpected_share", compare="level", attribute="age", estimate=0.0, support=14653,
        )
        for number in range(12)
    ]  # fmt: skip
    warned = Check(
        name="expect_column_values_to_be_in_set", outcome=Outcome.FAIL, severity="warning", attribute="workclass",
        metric="unexpected_share", compare="level", estimate=0.012, limit=Limit(max=0.01), support=14653,
        reason=f"176 of 14,653 rows unexpected: {HOSTILE}",
    )  # fmt: skip
    return [*passing, warned]


def performance():
    return [
        _check("auc", "auc", "level", 0.9254, (0.921, 0.9297), Limit(min=0.9), Outcome.PASS),
        _check("brier", "brier", "level", 0.0884, (0.0851, 0.0917), Limit(max=0.105), Outcome.PASS),
        _check("auc_vs_champion", "auc", "difference", 0.0004, (-0.0012, 0.0021), Limit(max=0.01), Outcome.PASS),
    ]


def fairness():
    return [
        _fair("tpr_difference", "tpr", "difference", "sex", 0.09, (0.05, 0.13), Limit(max=0.1), Outcome.INCONCLUSIVE),
        _fair("fpr_difference", "fpr", "difference", "sex", 0.062, (0.05, 0.074), Limit(max=0.1), Outcome.PASS),
        _fair("tpr_difference", "tpr", "difference", "sex*race", 0.31, (0.18, 0.44), Limit(max=0.1), Outcome.FAIL),
        _fair(
            "selection_rate_ratio", "selection_rate", "ratio", "sex", 0.32, (0.29, 0.35), Limit(min=0.8), Outcome.FAIL,
            "warning",
        ),
        Check(
            name="fpr_difference", outcome=Outcome.INCONCLUSIVE, metric="fpr", compare="difference", attribute="race",
            limit=Limit(max=0.1), reason="1 of 5 groups can be measured: there is nothing to compare",
        ),
    ]  # fmt: skip


def groups():
    return [_metrics(_MEN, 9800, 0.26), _metrics(_WOMEN, 4853, 0.08), _metrics({**_WOMEN, "race": HOSTILE}, 12, None)]


def one(name, outcome, reason):
    return [Check(name=name, outcome=outcome, reason=reason)]


def verdict(gate, checks, about, group_metrics=()):
    judgement = Judgement(outcome=decide(checks), checks=checks, groups=group_metrics)
    return bind(gate, judgement, about, Stopwatch())


def _check(name, metric, compare, estimate, interval, limit, outcome, severity="critical"):
    return Check(
        name=name, metric=metric, compare=compare, estimate=estimate, interval=interval, confidence=0.95, limit=limit,
        support=14653, severity=severity, outcome=outcome, reason=f"{estimate:g} {list(interval)} against the limit",
    )  # fmt: skip


def _fair(name, metric, compare, attribute, estimate, interval, limit, outcome, severity="critical"):
    return Check(
        name=name, metric=metric, compare=compare, attribute=attribute, groups=[_WOMEN, _MEN], estimate=estimate,
        interval=interval, confidence=0.95, limit=limit, support=569, severity=severity, outcome=outcome,
        reason="With 569 positives (sex=Female) and 2,900 positives (sex=Male), a smaller gap cannot be told from none",
    )  # fmt: skip


def _metrics(group: Group, n, rate):
    measured = Measured(estimate=rate, interval=None if rate is None else (rate - 0.01, rate + 0.01), support=n)
    return GroupMetrics(group=group, n=n, metrics={"selection_rate": measured, "tpr": measured})
