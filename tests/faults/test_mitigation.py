"""Killed at every boundary while an unfair candidate is mitigated: still two candidates, one version, a whole chain."""

import json
from pathlib import Path

import pytest
from tests.faults.points import around
from tests.registry.children import program

from assay.evidence.opening import archive
from assay.evidence.verify import verify

pytestmark = pytest.mark.stack
MITIGATED = Path(__file__).with_name("mitigated.py")
# Whoever dies between a record and its tags has recorded: who comes again meets other points than before.
ORDERS = [
    {
        "mitigation": [
            "mitigation.trained", "candidate.created", "candidate.uploaded", "mitigation.logged",
            "training.stored", "training.anchored", "mitigation.stored", "mitigation.anchored",
        ],
        "mitigated_performance_gate": around("performance"),
    },
    {
        "mitigation": ["candidate.ready", "candidate.linked", "training.tagged", "mitigation.tagged"],
        "mitigated_fairness_gate": around("fairness"),
    },
]  # fmt: skip


@pytest.mark.parametrize("points", ORDERS, ids=["stored", "tagged"])
def test_wherever_mitigation_is_killed_it_ends_with_one_mitigated_candidate(installation, points):
    told = json.loads(program(MITIGATED, installation, json.dumps(points)).splitlines()[-1])
    once = {"request": 1, "snapshot": 1, "training": 2, "mitigation": 1, "registration": 1}
    assert {kind: told["kinds"][kind] for kind in once} == once
    assert told["candidates"] == 2
    assert told["attempts"][0] == 1
    assert set(told["attempts"][1:]) == {2}  # judged again after a kill, the same bytes are the same attempt
    report = verify(archive(installation), told["model"], 1, patience=0)
    assert report.sound, [str(each) for each in report.findings]
