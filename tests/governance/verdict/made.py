"""Verdicts by hand."""

from assay.core import Check, GroupMetrics, Judgement, Limit, Measured, Outcome, Stopwatch, Subject, bind, decide

ABOUT = Subject(model="c" * 64, policy_sha256="a" * 64, snapshot="toy-0123456789abcdef", code_version="d" * 64)


def verdict(gate, checks, groups=(), budget=None, distributions=()):
    judgement = Judgement(
        outcome=decide(checks), checks=checks, groups=groups, budget=budget, distributions=distributions
    )
    return bind(gate, judgement, ABOUT, Stopwatch())


def check(name="tpr_difference", outcome=Outcome.FAIL, **changes):
    given = {
        "metric": "tpr", "compare": "difference", "attribute": "sex", "estimate": 0.3, "interval": (0.2, 0.4),
        "confidence": 0.95, "limit": Limit(max=0.1), "support": 40, "reason": f"the reason of {name}. And more",
        "groups": [{"sex": "F"}, {"sex": "M"}],
    }  # fmt: skip
    return Check(name=name, outcome=outcome, **{**given, **changes})


def group(n=100, /, **columns):
    """A group with rates that follow from its size; `rate` sets them."""
    found = measured(columns.pop("rate", 0.5), n)
    return GroupMetrics(group=columns, n=n, metrics={"tpr": found, "selection_rate": found})


def measured(rate, n=100):
    return Measured(estimate=rate, interval=None if rate is None else (rate - 0.05, rate + 0.05), support=n)
