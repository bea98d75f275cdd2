"""The page of a contract's verdict: what failed first, and how the columns are spread that did not pass."""

import re

import pytest
from tests.governance import sample
from tests.governance.reading import Page
from tests.governance.verdict.made import check, verdict

from assay.core import Distribution, Limit, Outcome
from assay.core.distribution import Cell, Rows
from assay.governance.render import verdict_file
from assay.governance.verdict.columns import columns
from assay.governance.verdict.story import story


def refused(column, count, of=1000, **changes):
    """A check on rows that some do not meet."""
    given = {
        "metric": "unexpected_share", "compare": "level", "attribute": column, "estimate": count / of,
        "interval": None, "confidence": None, "limit": Limit(max=0.0), "support": of, "groups": None,
        "reason": f"{count} of {of:,} rows unexpected",
    }  # fmt: skip
    return check("expect_column_values_to_be_in_set", **{**given, **changes})


def spread(column, *names, **changes):
    cells = tuple(Cell(name=name, data=50, reference=20, outside=at == 0) for at, name in enumerate(names))
    rows = Rows(rows=100, missing=0)
    return Distribution(
        **{"column": column, "kind": "category", "data": rows, "reference": rows, "cells": cells, **changes}
    )


def page(checks, distributions=()):
    return verdict_file(verdict("contract", checks, distributions=distributions)).decode()


def test_the_worst_comes_first_and_what_is_gone_before_it():
    gone = check("expect_column_to_exist", attribute="d", estimate=None, interval=None, limit=None, groups=None)
    checks = [refused("a", 3), refused("b", 500), check("shift", attribute="c", estimate=2.0, interval=(1.5, 2.5),
              limit=Limit(max=0.25), groups=None), refused("w", 900, severity="warning"), gone]  # fmt: skip
    said = Page(page(checks)).said
    order = ["expect_column_to_exist of d", "shift by c", "in_set of b", "in_set of a", "in_set of w"]
    places = [said.index(each) for each in order]
    assert places == sorted(places)


def test_the_summary_counts_rows_and_names_keys():
    rows = [{"person_id": str(n), "b": "x"} for n in range(20)]
    told = story(verdict("contract", [refused("a", 3), refused("b", 500, examples=rows)]))
    assert told.rows == (
        "Most rows, 500 of 1,000, are refused by “b: column values to be in set”: person_id 0, 1, 2, 3, 4 and others."
    )
    assert told.decided[0] == ("b: column values to be in set", "500 of 1,000 rows unexpected")
    assert "no luck is in it" in told.means


def test_rows_that_were_set_aside_are_told_in_the_summary_though_all_passes():
    aside = check("quarantine", Outcome.PASS, attribute=None, groups=None, reason="12 of 900 rows set aside, 888 clean")
    assert "Quarantine: 12 of 900 rows set aside, 888 clean." in Page(page([aside])).said


@pytest.mark.parametrize("gate", ["fairness", "performance"])
def test_other_gates_have_no_such_sentence(gate):
    assert story(verdict(gate, [refused("a", 3)])).rows == ""


def test_a_column_stands_with_every_check_that_speaks_of_it():
    checks = [refused("a", 3), refused("a*b", 4), refused("b", 5, outcome=Outcome.PASS)]
    found = columns(verdict("contract", checks, distributions=[spread("a", "x"), spread("b", "y")]))
    assert [(each.spread.column, [check.attribute for check in each.checks]) for each in found] == [
        ("a", ["a*b", "a"]),
        ("b", ["a*b"]),
    ]


def test_each_column_has_a_picture_its_words_and_a_table():
    read = Page(text := page([refused("a", 3), refused("b", 2)], [spread("a", "x", "y"), spread("b", "z")]))
    assert text.count('class="spread"') == 2
    assert "The columns that did not pass" in read.said
    assert text.count("Table: values of") == 2
    assert "not allowed: 50 %, reference 20 %" in read.said


def test_a_column_that_is_withheld_says_why():
    bare = spread("mail", kind="withheld", note="its values look like e-mail addresses")
    read = Page(text := page([refused("mail", 3)], [bare]))
    assert "Its values look like e-mail addresses." in read.said
    assert 'class="spread"' not in text


def test_markup_in_names_and_values_stays_text():
    hostile = spread(sample.HOSTILE, sample.HOSTILE, note=sample.HOSTILE)
    rows = [{sample.HOSTILE: sample.HOSTILE, "k": None}]
    read = Page(page([refused(sample.HOSTILE, 3, examples=rows)], [hostile]))
    assert not {tag for tag, _ in read.tags} & {"script", "img"}
    assert read.text.count(sample.HOSTILE) >= 5


def test_without_distributions_the_page_is_as_it_was():
    assert "columns that did not pass" not in page([refused("a", 3)])


def test_hundreds_that_do_not_pass_are_folded_after_the_first():
    text = page([refused(f"c{n}", n + 1) for n in range(300)])
    assert "280 checks that do not pass either" in Page(text).said
    before, _, after = text.partition("280 checks that")
    assert len(re.findall(r"of c\d+", before)) - len(re.findall("<strong>", before)) <= 25
    assert len(set(re.findall(r"in_set of (c\d+)", after))) == 280


def test_the_rows_that_a_check_is_about_stand_in_a_table():
    text = page([refused("age", 2, examples=[{"id": "7", "age": "-1"}, {"id": "9", "age": None}])])
    table = text[text.index('class="examples"') :]
    table = table[: table.index("</table>")]
    assert re.findall(r"<th[^>]*>([^<]*)</th>", table) == ["id", "age"]
    assert re.findall(r"<td>(.*?)</td>", table) == ["7", "-1", "9", '<span class="quiet">missing</span>']
