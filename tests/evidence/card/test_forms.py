"""Both forms show every value as it is, and nothing of it as markup."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evidence.card.sample import facts
from tests.governance.sample import HOSTILE

from assay.evidence.card.build import card
from assay.evidence.card.html import to_html, written
from assay.evidence.card.markdown import escaped, to_markdown
from assay.evidence.card.words import measured, number

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "circle", "rect"}


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.loads, self.text, self.ids, self.targets = [], set(), [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        given = dict(attrs)
        self.loads += [
            value for name, value in attrs if name in ("src", "action", "data", "srcset") or name[:2] == "on"
        ]
        self.targets += [given["href"]] if "href" in given else []
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_loads_nothing():
    page = to_html(card(facts()))
    reader = read(page)
    assert not reader.seen & {"script", "img", "iframe", "link", "object", "embed", "form"}
    assert reader.loads == []
    assert page.count("url(") == page.count("url(#")  # patterns of the page itself
    assert "@import" not in page
    assert {target[1:] for target in reader.targets} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_hostile_words_are_shown_as_words():
    reader = read(to_html(card(facts())))
    shown = "".join(reader.text)
    assert shown.count(HOSTILE) >= 4  # the request, a check's reason, a group, the datasheet
    text = to_markdown(card(facts()))
    outside_quotes = "\n".join(line for line in text.splitlines() if not line.startswith(">"))
    assert "<script>" not in outside_quotes
    assert r"\<script\>" in outside_quotes


def test_every_picture_has_its_table_behind_it():
    page = to_html(card(facts()))
    assert page.count('<svg class="forest"') == len(re.findall(r"<details[^>]*><summary>Table: ", page)) > 4
    for figure in re.findall(r"<figure>.*?</figure>", page, flags=re.DOTALL):
        assert "<table>" in figure


def test_markdown_tables_have_cells_for_every_column():
    for block in re.split(r"\n\n", to_markdown(card(facts()))):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1


@given(st.text())
def test_any_text_stays_on_one_markdown_line_and_reads_back(text):
    shown = escaped(text)
    assert "\n" not in shown
    assert re.sub(r"\\([\\`*_{}\[\]()#+|<>!~$&])", r"\1", shown) == " ".join(text.split())


@settings(max_examples=400)
@given(st.text(alphabet=st.sampled_from("ab<>&\"'`*_-#|\n \\/=")))
def test_nothing_that_people_write_becomes_markup_of_their_own(text):
    reader = Reader()
    reader.feed(str(written(text)))
    assert reader.open == []
    assert reader.seen <= {"p", "ul", "li", "pre", "strong", "em", "code"}
    assert reader.loads == []


finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (float("nan"), "-"), (0.0, "0"), (-0.0, "0"), (-1.5, "\N{MINUS SIGN}1.5"), (48842.0, "48,842")],
)
def test_numbers(value, shown):
    assert number(value) == shown


@given(finite, st.floats(1e-6, 1e3))
def test_rounding_moves_an_end_by_less_than_a_hundredth_of_the_interval(value, width):
    bounds = (value - width / 2, value + width / 2)
    shown = measured(value, bounds)[1].replace(",", "").replace("\N{MINUS SIGN}", "-")
    for end, text in zip(bounds, shown.split(" to "), strict=True):
        assert abs(float(text) - end) <= 0.0051 * (bounds[1] - bounds[0]) + 1e-9
