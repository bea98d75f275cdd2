"""One open incident per key, counted however many see it at once."""

import subprocess
import sys
from dataclasses import replace

import pytest

from assay.rollout import Incidents

RAISE = """
import sys
from assay.rollout import Incidents, open_database
incidents = Incidents(open_database(sys.argv[1]))
for n in range(20):
    incidents.raise_(
        key=f"alias/{n % 2}", model="income", version=None, kind="alias", message=sys.argv[2], mend="restore"
    )
"""


@pytest.fixture
def incidents(rollouts):
    times = (f"2030-01-01T00:00:{second:02}.000Z" for second in range(60))
    return Incidents(rollouts.engine, clock=lambda: next(times))


def report(incidents, key="tampered/income/3", **changes):
    known = {"model": "income", "version": 3, "kind": "tampered", "message": "other bytes", "mend": "restore"}
    return incidents.raise_(key=key, **(known | changes))


def test_what_is_seen_again_is_counted_with_its_latest_words(incidents):
    first = report(incidents)
    assert (first.sightings, first.first_seen, first.last_seen, first.closed_at) == (
        1, "2030-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z", None,
    )  # fmt: skip
    again = report(incidents, message="no bytes at all", version=None)
    assert again == replace(
        first, sightings=2, last_seen="2030-01-01T00:00:01.000Z", message="no bytes at all", version=None
    )
    assert incidents.open() == incidents.open("income") == incidents.all("income") == [again]
    assert again.to_dict()["sightings"] == 2


def test_one_that_was_closed_stays_and_another_is_opened_when_it_is_seen_again(incidents):
    old = report(incidents)
    closed = incidents.close(old.key, by="ops", reason="restored")
    assert closed == replace(old, closed_at="2030-01-01T00:00:01.000Z", closed_by="ops", closed_because="restored")
    assert incidents.open() == []
    assert incidents.close(old.key, by="ops", reason="again") is None
    new = report(incidents)
    assert (new.sightings, new.closed_at) == (1, None)
    assert incidents.open() == [new]
    assert incidents.all() == [closed, new]


def test_incidents_of_other_models_and_keys_stand_apart(incidents):
    one, other = report(incidents), report(incidents, key="alias/churn", model="churn")
    assert incidents.open("income") == [one]
    assert incidents.open("churn") == incidents.all("churn") == [other]
    assert incidents.open("none") == []
    assert incidents.close("none", by="ops", reason="") is None
    assert incidents.open() == [one, other]


def test_processes_that_see_it_at_once_open_one_and_count_all(rollouts):
    url = rollouts.engine.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen([sys.executable, "-c", RAISE, url, f"p{n}"], stderr=subprocess.PIPE, text=True)
        for n in range(6)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, errors
    found = Incidents(rollouts.engine).open("income")
    assert sorted((each.key, each.sightings) for each in found) == [("alias/0", 60), ("alias/1", 60)]
