"""Killed for real at every step boundary and at any moment, and run again: one version, one chain, one champion."""

import json
from pathlib import Path

import pytest
from tests.faults.points import FIRST, POINTS
from tests.registry.children import program

pytestmark = pytest.mark.stack
RUNS = 20  # in each some three tasks are killed at a point and one at any moment, and each is run again
ROUNDS = Path(__file__).with_name("rounds.py")


def test_wherever_a_task_is_killed_it_ends_with_one_version_one_chain_and_one_champion(installation):
    points = [f"{task} at {point}" for kind in (POINTS, FIRST) for task, named in kind.items() for point in named]
    assert len(points) >= 50
    lines = program(ROUNDS, installation, 0, RUNS).splitlines()
    told = [json.loads(line) for line in lines if line.startswith('{"seed"')]
    assert sorted(each["seed"] for each in told) == list(range(RUNS))
    assert {each["seed"]: each["wrong"] for each in told if each["wrong"]} == {}
    killed = {where for each in told for where in each["killed"]}
    assert set(points) - killed == set()  # every boundary was met, and the process died there
    assert len(killed) > len(points) + RUNS / 2  # most others died somewhere in between
