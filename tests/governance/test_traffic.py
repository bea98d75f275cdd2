"""The picture of the traffic: what it shows is what the history says."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.governance.traffic import HEIGHT, LEFT, SHOWN, TONES, WIDTH, traffic
from assay.rollout import Served

BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)


def text(instant):
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def served(version, share, since, until=None, role="champion"):
    return Served(
        version=version, digest=None, role=role, share=share, since=text(since),
        until=None if until is None else text(until), action="promote", run_key="run", rollout_id=version,
        approved_by=(), dossier=None, head=None,
    )  # fmt: skip


@st.composite
def histories(draw):
    """Champions one after the other, each with a canary for a part of its time."""
    found, now = [], BEGAN
    for version in range(1, draw(st.integers(1, 12))):
        canary, length = draw(st.integers(0, 99)), timedelta(seconds=draw(st.integers(1, 10**8)))
        found.append(served(version, 100 - canary, now, now + length))
        found.append(served(version + 1, canary, now, now + length, role="canary"))
        now += length
    return found, now


@given(histories())
def test_every_share_has_its_height_and_every_time_its_width(history):
    found, now = history
    picture = traffic(found, now=now)
    shares = [each for each in found if each.share]
    if not shares:
        assert picture is None
        return
    length = max((now - BEGAN).total_seconds(), 60)
    for each, band in zip(shares, picture.bands, strict=True):
        seconds = (datetime.fromisoformat(each.until) - datetime.fromisoformat(each.since)).total_seconds()
        assert band.height == pytest.approx(HEIGHT * each.share / 100, abs=0.051)
        assert band.width == pytest.approx(max(0.8, (WIDTH - LEFT) * seconds / length), abs=0.051)
        assert band.y == (0 if each.role == "canary" else pytest.approx(HEIGHT - band.height, abs=0.11))
        assert LEFT <= band.x <= WIDTH
    assert {tone for _, tone in picture.versions} <= set(range(TONES))


@given(st.integers(60, 10**9))
def test_the_axis_has_a_handful_of_round_times(seconds):
    picture = traffic([served(1, 100, BEGAN)], now=BEGAN + timedelta(seconds=seconds))
    assert len(picture.ticks) <= 8
    assert all(LEFT <= tick.x <= WIDTH for tick in picture.ticks)
    assert len({tick.label for tick in picture.ticks}) == len(picture.ticks)


def test_a_version_keeps_its_tone_and_says_what_it_is():
    later = BEGAN + timedelta(days=30)
    picture = traffic(
        [served(3, 100, BEGAN, later), served(7, 5, later, role="canary"), served(3, 95, later)], now=later
    )
    assert picture.versions == [(3, 0), (7, 1)]
    assert [band.tone for band in picture.bands] == [0, 1, 0]
    assert picture.bands[1].title == "version 7, canary with 5 %, 2026-02-04 10:00 to now"
    assert picture.said == (
        "Share of the traffic by version since 2026-01-05; now version 7 with 5 % and version 3 with 95 %."
    )


def test_what_never_had_traffic_has_no_picture():
    assert traffic([], now=BEGAN) is None
    assert traffic([served(1, 0, BEGAN, role="canary")], now=BEGAN) is None


def test_of_a_long_history_the_end_is_drawn():
    hours = [BEGAN + timedelta(hours=n) for n in range(1001)]
    found = [served(n, 100, hours[n], hours[n + 1]) for n in range(1000)]
    picture = traffic(found, now=hours[-1])
    assert len(picture.bands) == SHOWN
    assert picture.bands[0].x == LEFT
