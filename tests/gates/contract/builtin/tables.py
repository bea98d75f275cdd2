"""Small tables, and what the built-in checks say of them."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.core import Check
from assay.core.canonical import canonical_json
from assay.gates.contract.builtin import Roles, Split, judge, measure
from assay.policy.builtin import BuiltIn

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NAMES = [name for name in BuiltIn.model_fields if name != "confidence"]


def only(*names, **parts):
    """A policy in which only these checks are made."""
    off = {name: None for name in NAMES if name not in names and name not in parts}
    return BuiltIn.model_validate({**off, **parts})


def written(folder, table, name="rows.parquet"):
    pq.write_table(pa.table(table), folder / name)
    return folder / name


def checks(folder, table, policy, *, reference=None, roles=None, testing=None, **more):
    """The checks on a table, by name and attribute."""
    compared = [] if reference is None else [written(folder, reference, "reference.parquet")]
    split = None if testing is None else Split(training=~np.asarray(testing), testing=np.asarray(testing))
    evidence = measure(
        files=[written(folder, table)], roles=Roles(key="id") if roles is None else roles, policy=policy,
        reference=compared, split=split, taken_at=NOW, **more,
    )  # fmt: skip
    found = judge(evidence, policy)
    named = {(check.name, check.attribute): check for check in found}
    assert len(named) == len(found)
    written_down = [canonical_json(asdict(check)) for check in found]
    assert [canonical_json(asdict(Check.from_dict(json.loads(each)))) for each in written_down] == written_down
    return named
