"""Distributions of columns by hand: data, what is said of them, and what came of it."""

from pathlib import Path

import pandas as pd

from assay.core import Check, Judgement, Outcome
from assay.gates.contract import described
from assay.gates.contract.builtin import Roles
from assay.policy.contract import Contract


def expects(kind, column, **kwargs):
    """An entry of a suite."""
    return {"type": f"expect_column_{kind}", "kwargs": {"column": column, **kwargs}, "severity": "critical", "meta": {}}


def judged(*columns, outcome=Outcome.FAIL):
    """A judgement with a check on each column."""
    checks = [Check(name="shift", attribute=name, outcome=outcome, reason="") for name in columns]
    return Judgement(outcome=outcome, checks=checks)


def spread(folder: Path, data, *, reference=None, suite=(), columns=None, roles=None, policy=None):
    """The distributions of some columns, by name; all where none are named."""
    files = {"data.parquet": data} | ({} if reference is None else {"reference.parquet": reference})
    for name, frame in files.items():
        pd.DataFrame(frame).to_parquet(folder / name, index=False)
    found = described(
        judged(*(columns if columns is not None else pd.DataFrame(data).columns)),
        files=[folder / "data.parquet"],
        reference=[folder / "reference.parquet"] if reference is not None else [],
        suite={"name": "s", "expectations": list(suite)},
        roles=roles or Roles(),
        policy=policy or Contract(),
    )
    return {each.column: each for each in found.distributions}


def rows(distribution, side="data"):
    """How many rows each cell holds, by its name or its bounds."""
    return {
        each.name if each.name is not None else (each.low, each.high): getattr(each, side)
        for each in distribution.cells
    }
