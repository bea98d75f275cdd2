"""Killed for real at every step boundary and at any moment, and run again: one version, one chain, one champion."""

import json
from pathlib import Path

import pytest
from tests.faults.points import POINTS
from tests.registry.children import program

pytestmark = pytest.mark.stack
ROUNDS = Path(__file__).with_name("rounds.py")


def test_wherever_a_task_is_killed_it_ends_with_one_version_one_chain_and_one_champion(installation):
    points = [f"{task} at {point}" for task, named in POINTS.items() for point in named]
    rounds = len(points)
    assert rounds >= 50
    lines = program(ROUNDS, installation, 0, rounds).splitlines()
    told = [json.loads(line) for line in lines if line.startswith('{"seed"')]
    assert sorted(each["seed"] for each in told) == list(range(rounds))
    assert {each["seed"]: each["wrong"] for each in told if each["wrong"]} == {}
    killed = {where for each in told for where in each["killed"]}
    assert set(points) - killed == set()  # every boundary was met, and the process died there
    assert len(killed) > len(points) * 1.3  # most others died somewhere in between
