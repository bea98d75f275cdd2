"""A card says what the records say, leaves blank what nobody stated, and invents nothing."""

import re
from dataclasses import replace

import pytest
from tests.evidence.card import sample
from tests.evidence.card.sample import MODEL, event, explanation, facts, records

from assay.evidence.card.build import card
from assay.evidence.card.datasheet import written_sections
from assay.evidence.card.facts import explanation_json, read_explanation, told_records
from assay.evidence.card.html import to_html
from assay.evidence.card.markdown import to_markdown
from assay.evidence.card.parts import Quote, Table, facts_of, items_of
from assay.evidence.card.store import card_files
from assay.evidence.card.words import TIMES
from assay.evidence.pictures.figure import Figure

MITCHELL = [f"4.{number}" for number in range(1, 10)]
GEBRU = [f"3.{number}" for number in range(1, 8)]
ANNEX_IV = [str(number) for number in range(1, 10)]


def figures(made):
    return [item for item in items_of(*made.parts) if isinstance(item, Figure)]


def answers(made):
    return {fact.name: fact.value for fact in facts_of(*made.parts)}


def test_every_field_that_the_three_sources_ask_for_is_there():
    made = card(facts())
    asked = [[section.reference for section in part.sections] for part in (made.model_card, made.datasheet, made.annex)]
    assert [sorted(set(references) - {""}) for references in asked] == [MITCHELL, GEBRU, ANNEX_IV]
    names = [fact.name for fact in facts_of(made.annex)]
    points = {match[0] for name in names if (match := re.match(r"\d(\([a-h]\))?", name))}
    letters = {f"{point}({letter})" for point in "12" for letter in "abcdefgh"}
    assert points == letters | set("3456789")


def test_the_same_facts_give_the_same_bytes():
    assert card_files(card(facts()), explanation()) == card_files(card(facts()), explanation())


def test_every_number_has_its_interval_its_n_and_its_record():
    numbers = facts().records
    digests = {record.digest[:12] for record in numbers}
    lines = [line for figure in figures(card(facts())) for line in figure.lines]
    judged = [line for line in lines if line.outcome is not None]
    assert len(judged) == 8  # three of performance, five of fairness; contracts count and have no interval
    for line in judged:
        assert line.source.split()[-1] in digests
        assert line.n is not None or line.estimate is None
        assert line.interval is not None or line.estimate is None
    importances = [line for line in lines if line.outcome is None]
    assert {MODEL[:12] in line.source for line in importances} == {True}
    assert {line.n for line in importances} == {500}


def test_what_nobody_stated_is_blank_owned_and_counted():
    made = card(facts())
    blank = [fact for fact in facts_of(*made.parts) if fact.value is None]
    assert made.blanks == len(blank) > 20
    owner = made.owner
    text, page = to_markdown(made), to_html(made)
    assert text.count(rf"*not stated; owner: {owner.replace('&', chr(92) + '&')}*") == len(blank)
    assert page.count(f'<span class="blank">not stated; owner: {owner.replace("&", "&amp;")}</span>') == len(blank)
    assert f"{len(blank)} of {made.questions} questions are not stated" in text
    assert {"License", "Risks and harms", "1(a) Provider", "8 Copy of the declaration (Article 47)"} <= {
        fact.name for fact in blank
    }


def test_an_answer_says_where_it_comes_from():
    for fact in facts_of(*card(facts()).parts):
        assert (fact.value is None) or fact.source, fact.name


def test_a_stated_purpose_fills_its_blanks_and_nothing_else():
    without, stated = card(facts()), card(facts(policy=sample.policy(description="To sort letters.")))
    assert without.blanks - stated.blanks == 2  # the model card's and the annex's
    assert {name for name, value in answers(stated).items() if value == "To sort letters."} == {
        "Primary uses",
        "1(a) Intended purpose",
    }


def test_the_teams_words_are_marked_and_stand_where_they_belong():
    made = card(facts())
    sections = {section.title: section for section in made.datasheet.sections}
    quoted = {title: [item for item in section.items if isinstance(item, Quote)] for title, section in sections.items()}
    assert "**Why?**" in quoted["Motivation"][0].text
    assert "| 1 | 2 |" in quoted["Composition"][0].text
    assert "Salt." in quoted["Further words of the team"][-1].text
    assert all(quote.source.endswith("e" * 64) for quotes in quoted.values() for quote in quotes)
    assert made.quoted_blanks == 1
    assert answers(made)["Uses, in the team's words"] is None
    assert "Motivation, in the team's words" not in answers(made)
    assert "Motivation, in the team's words" in answers(card(facts(datasheet=None)))


def test_waivers_stand_beside_the_check_that_they_excuse():
    made = card(facts())
    table = next(item for item in items_of(made.model_card) if isinstance(item, Table) and "clean" in item.caption)
    waived = {(row[1], row[4]) for row in table.rows}
    assert (f"tpr difference by sex {TIMES} race (Female against Male)", "until 2026-12-01, by Dora") in waived
    assert sum(when != "no" for _, when in waived) == 1
    assert {row[2].split()[0] for row in table.rows} == {"FAIL", "INCONCLUSIVE"}


def test_groups_taken_together_have_a_section_of_their_own():
    sections = {section.title: section for section in card(facts()).model_card.sections}
    single, joint = sections["Performance by group"], sections["Performance by groups taken together"]
    names = [
        [line.name for item in s.items if isinstance(item, Figure) for line in item.lines] for s in (single, joint)
    ]
    assert all(TIMES not in name for name in names[0])
    assert names[1] == [f"by sex {TIMES} race"]
    tables = [[item.caption for item in s.items if isinstance(item, Table)] for s in (single, joint)]
    assert tables == [["Every metric by sex"], [f"Every metric by sex {TIMES} race"]]


def test_a_group_that_was_too_small_is_named_where_its_numbers_would_be():
    table = next(
        item for item in items_of(card(facts()).model_card) if isinstance(item, Table) and "AUC lost" in item.caption
    )
    assert table.header == ["Feature", "Female (n 500)"]
    assert "7 rows, fewer than 100 rows" in table.note


@pytest.mark.parametrize("missing", ["explanation", "datasheet"])
def test_what_was_not_measured_or_written_is_said(missing):
    made = card(facts(**{missing: None}))
    assert made.blanks >= card(facts()).blanks
    to_html(made)
    assert to_markdown(made)


def test_a_dossier_with_almost_nothing_still_gives_a_card():
    made = card(facts(records=[event("request")], explanation=None, datasheet=None))
    assert made.blanks > card(facts()).blanks
    assert "The dossier holds no verdict of the performance gate" in to_markdown(made)
    assert "<h1>toy, version 3</h1>" in to_html(made)


def test_only_verdicts_about_this_model_are_shown():
    other = sample.verdict("performance", [], model="0" * 64)
    assert facts(other).verdicts["performance"].checks


def test_a_rival_is_named_as_the_version_that_it_was_compared_with():
    assert answers(card(facts()))["Relation to earlier versions"] is None
    check = sample.performance()[2]
    against = replace(check, groups=[{"version": "candidate"}, {"version": "2"}])
    made = card(facts(sample.verdict("performance", [against])))
    assert "compared with version 2" in answers(made)["Relation to earlier versions"]


def test_later_cards_are_no_news():
    chain = records(event("card", number=1))
    assert told_records(chain) == chain[:-1]
    after = records(event("card", number=1), event("rollout"))
    assert told_records(after) == after
    assert told_records([]) == []


def test_an_explanation_is_kept_as_it_was():
    assert read_explanation(explanation_json(explanation())) == explanation()


def test_a_datasheet_is_read_by_its_headings():
    assert written_sections("") == {}
    assert written_sections("## Uses\na\n### deeper\nb\n## Uses\nc") == {"Uses": "a\n### deeper\nb\n\nc"}


def test_a_mitigated_model_says_what_was_done_to_it():
    assert answers(card(facts()))["Mitigations"] is None
    told = {"from": "1" * 64, "to": MODEL, "method": "thresholds", "attributes": ["sex"], "legal_note": "section 5"}
    made = answers(card(facts(event("mitigation", **told))))["Mitigations"]
    assert made.startswith("thresholds on sex, of the model 111111111111, which failed the fairness gate")
    assert made.endswith("section 5")
    assert answers(card(facts(event("mitigation", **{**told, "to": "2" * 64}))))["Mitigations"] is None


def test_a_model_that_decides_by_group_says_by_what_and_from_where():
    own = [{"group": {"sex": "f"}, "threshold": 0.4}, {"group": {"sex": "m"}, "threshold": 0.61}]
    told = {"from": "1" * 64, "to": MODEL, "method": "thresholds", "attributes": ["sex"], "by_group": own}
    aware = answers(card(facts(event("mitigation", **told, awareness="aware", legal_note="section 5"))))
    assert aware["Decision threshold"] == "0.4 for sex = f, 0.61 for sex = m; 0.5 for everybody else"
    assert aware["Sensitive data"] == "the model reads sex"
    assert "section 5" in aware["Mitigations"]
    blind = answers(card(facts(event("mitigation", **told, awareness="blind"))))
    assert (blind["Decision threshold"], blind["Sensitive data"]) == ("0.5", "the model reads none of sex")
