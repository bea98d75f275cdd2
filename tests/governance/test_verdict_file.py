"""A verdict's page as one file: whole, in order, and nothing in it that runs or is loaded."""

import base64
import hashlib
import re
from itertools import pairwise

import pytest
from tests.evidence.pictures.drawn import rows, svg
from tests.governance import sample
from tests.governance.reading import Page
from tests.governance.verdict.made import check, group, verdict

from assay.core import GroupMetrics, Limit, Measured, Outcome
from assay.governance.render import verdict_file

SAMPLES = {
    "contract": sample.contract(),
    "performance": sample.performance(),
    "fairness": sample.fairness(),
    "approval": sample.approved("model_owner", sample.HOSTILE),
    "canary": [],
}
LARGEST = 2_000_000
"""Bytes of the page of a thousand groups with the sixteen metrics of the fairness gate."""


def page(gate="fairness", checks=None, groups=()):
    return verdict_file(verdict(gate, SAMPLES[gate] if checks is None else checks, groups)).decode()


@pytest.mark.parametrize("gate", SAMPLES)
def test_the_summary_stands_first_and_the_digests_last(gate):
    said = Page(page(gate, groups=sample.groups())).said
    order = ["It ", "asked", "What did not pass", "What this verdict is bound to", "c" * 64]
    places = [said.index(each) for each in order]
    assert places == sorted(places)


@pytest.mark.parametrize("gate", SAMPLES)
def test_nothing_runs_and_nothing_is_loaded(gate):
    text = page(gate, groups=sample.groups())
    read = Page(text)
    assert read.links == []
    assert not {tag for tag, _ in read.tags} & {"script", "img", "iframe", "link", "object", "embed", "form", "base"}
    assert not any(name.startswith("on") or name == "style" for _, attrs in read.tags for name in attrs)
    assert "@import" not in text
    assert not re.search(r"url\(\s*[^#)]", text)
    policy = next(attrs["content"] for _, attrs in read.tags if attrs.get("http-equiv"))
    (style,) = re.findall(r"<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"  # or a browser would not apply it


def test_markup_in_evidence_stays_text():
    hostile = check(sample.HOSTILE, attribute=sample.HOSTILE, reason=sample.HOSTILE, groups=[{"sex": sample.HOSTILE}])
    read = Page(page(checks=[hostile], groups=[group(**{sample.HOSTILE: sample.HOSTILE}), group(score=sample.HOSTILE)]))
    assert read.text.count(sample.HOSTILE) >= 6
    assert not {tag for tag, _ in read.tags} & {"script", "img"}


def test_headings_go_down_one_step_at_a_time():
    for gate in SAMPLES:
        steps = [int(tag[1]) for tag, _ in Page(page(gate, groups=sample.groups())).tags if re.fullmatch(r"h\d", tag)]
        assert steps[0] == 1
        assert steps.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(steps))


def test_every_picture_has_a_title_its_words_and_a_table_whose_headings_have_a_scope():
    text = page(groups=[*sample.groups(), group(score="[0, 0.5)"), group(score="[0.5, 1]")])
    figures = re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL)
    assert len(figures) > 5
    for figure in figures:
        assert "<table" in figure
        if "<svg" in figure:
            picture = svg(figure)
            assert [each.tag for each in picture][:2] == ["title", "desc"]
            assert picture.get("role") == "img"
    assert all("scope" in attrs for tag, attrs in Page(text).tags if tag == "th")


def test_what_does_not_pass_is_told_before_what_does():
    said = Page(
        page(
            checks=[
                check("fine", Outcome.PASS),
                check("told", severity="info"),
                check("minor", severity="warning"),
                check("grave"),
            ]
        )
    ).said
    places = [said.index(f"{name} by sex") for name in ("grave", "minor", "fine", "told")]
    assert places == sorted(places)
    assert "1 check for information, without a say" in said


def test_the_limit_is_drawn_where_it_is():
    text = page(checks=[check(estimate=0.3, interval=(0.25, 0.45), limit=Limit(max=0.1))])
    (row,) = rows(svg(text[text.index("Checks against their limits") :].partition("<figure>")[2]))
    assert row.limits == pytest.approx([0.1], abs=2e-3)
    assert row.estimate == pytest.approx(0.3, abs=2e-3)
    assert row.interval == pytest.approx((0.25, 0.45), abs=2e-3)
    assert row.allowed[1] == pytest.approx(0.1, abs=2e-3)


def thousand():
    """A thousand groups with as many metrics as the fairness gate measures."""
    return [
        GroupMetrics(
            group={"region": f"region {at}"},
            n=100 + at,
            metrics={
                name: Measured(estimate=at / 1000, interval=(at / 1001, at / 999), support=100 + at)
                for name in ("tpr", *(f"metric_{number}" for number in range(15)))
            },
        )
        for at in range(1000)
    ]


def test_a_thousand_groups_stay_readable():
    groups = thousand()
    named = check(attribute="region", groups=[groups[500].group, groups[501].group])
    text = page(checks=[named], groups=groups)
    assert len(text) < LARGEST
    figure = next(f for f in re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL) if "rate by region" in f)
    drawn = [row.name for row in rows(svg(figure))]
    assert len(drawn) == 24
    assert {"region 500", "region 501", "region 0", "region 999"} <= set(drawn)
    table = figure[figure.index("<table") :]
    assert all(f'<th scope="row">region {at}</th>' in table for at in range(1000))
    assert '<details class="long">' in figure  # not printed unless it was opened


def test_the_same_verdict_gives_the_same_page():
    made = verdict("fairness", sample.fairness(), sample.groups())
    assert verdict_file(made) == verdict_file(made)
