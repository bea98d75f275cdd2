import pytest
from tests.governance import sample

from assay.core import Outcome
from assay.governance.words import number, summary


def test_a_summary_counts_and_names_the_worst():
    said = summary(sample.verdict("fairness", sample.fairness(), sample.subject("p")))
    assert said.startswith("1 of 5 checks pass; the worst is tpr_difference by sex \N{MULTIPLICATION SIGN} race")
    assert "fails" in said


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        (sample.performance(), "All 3 checks pass."),
        (sample.contract(), "12 of 13 checks pass, among them every critical one."),
        (sample.one("approval", Outcome.FAIL, "refused by ann"), "Refused by ann."),
        ([], "Nothing was checked, so nothing is shown."),
    ],
)
def test_summaries_in_words(checks, said):
    assert summary(sample.verdict("gate", checks, sample.subject("p"))) == said


def test_a_negative_number_has_a_real_minus():
    assert number(-0.5) == "\N{MINUS SIGN}0.5"
