import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gates.contract.builtin.tables import checks, only

from assay.core import Outcome
from assay.gates.contract.builtin import Roles
from assay.gates.contract.builtin.personal import is_card, is_iban, kind_of, luhn

N = 1000


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ann.lee+x@mail.example.org", "e-mail addresses"),
        ("call me: +49 (30) 901820", "phone numbers"),
        ("(212) 555-0100", "phone numbers"),
        ("212-555-0100", "phone numbers"),
        ("5500 0000 0000 0004", "payment cards"),
        ("378282246310005", "payment cards"),
        ("GB82 WEST 1234 5698 7654 32", "IBANs"),
        ("078-05-1120", "national identity numbers"),
        ("QQ123456C", None),
        ("AB123456C", "national identity numbers"),
        ("RSSMRA85T10A562S", "national identity numbers"),
        ("529.982.247-25", "national identity numbers"),
        ("4111 1111 1111 1112", None),
        ("GB82 WEST 1234 5698 7654 33", None),
        ("000-12-3456", None),
        ("2024-05-31 14:00:00", None),
        ("1234567890123", None),
        ("9f8b6c1e-0d7a-4f6b-8a52-2f1f0c9b7e11", None),
        ("4111111111111111abcdef", None),
        ("192.168.100.200", None),
        ("a @ b", None),
        ("", None),
    ],
)
def test_kinds_are_told_by_shape_and_checksum(text, kind):
    assert kind_of(text) == kind


@given(st.text(alphabet="0123456789", min_size=12, max_size=18))
def test_one_of_ten_digits_is_the_check_digit(digits):
    assert sum(luhn(f"{digits}{last}") for last in range(10)) == 1


@given(st.text(alphabet="0123456789", min_size=15, max_size=15), st.integers(0, 14))
def test_one_wrong_digit_is_seen(digits, at):
    (right,) = [f"{digits}{last}" for last in range(10) if luhn(f"{digits}{last}")]
    wrong = right[:at] + str((int(right[at]) + 1) % 10) + right[at + 1 :]
    assert not luhn(wrong)


@given(st.integers(10**17, 10**18 - 1))
def test_an_iban_has_one_pair_of_check_digits(account):
    assert sum(is_iban(f"DE{check:02d}{account}") for check in range(2, 99)) == 1


def column(share, value):
    return [value if at < share * N else f"item {at}" for at in range(N)]


def pii(folder, table, roles=None, **part):
    return checks(folder, {"id": range(N), **table}, only(pii=part), roles=roles)


@pytest.mark.parametrize(("share", "outcome"), [(0.001, Outcome.PASS), (0.01, Outcome.FAIL)])
def test_the_share_is_held_to_the_limit_and_no_value_is_shown(tmp_path, share, outcome):
    secret = "ann.lee@example.org"
    found = pii(tmp_path, {"note": column(share, secret)})
    check = found["pii", "note"]
    assert (check.outcome, check.estimate) == (outcome, pytest.approx(share))
    assert "ann.lee" not in repr(found)
    if outcome is Outcome.FAIL:
        assert "look like e-mail addresses" in check.reason
        assert "data.pseudonymize" in check.reason


def test_declared_and_allowed_columns_are_left_alone(tmp_path):
    table = {"a": column(0.5, "x@example.org"), "b": column(0.5, "x@example.org"), "c": column(0.5, "x@example.org")}
    found = pii(tmp_path, table, Roles(key="id", sensitive=["a"], declared=["b"]), allow=["c"])
    assert {attribute for _, attribute in found} == {"id"}


def test_numbers_that_are_cards_are_found_and_other_long_numbers_are_not(tmp_path):
    rng = np.random.default_rng(0)
    long = rng.integers(4 * 10**15, 5 * 10**15, N)
    cards = [
        number - number % 10 + next(d for d in range(10) if is_card(str(number - number % 10 + d))) for number in long
    ]
    assert pii(tmp_path, {"n": cards})["pii", "n"].outcome is Outcome.FAIL
    assert all(check.outcome is Outcome.PASS for check in pii(tmp_path, {"n": long}).values())


@pytest.mark.parametrize("many", [1, 2])
def test_a_few_long_numbers_with_right_check_digits_are_chance(tmp_path, many):
    few = [4111111111111111] * many + [None] * (N - many)
    assert all(check.outcome is Outcome.PASS for check in pii(tmp_path, {"n": few}).values())


@pytest.mark.parametrize("text", ["a" * 500_000 + "@", "x@" + "a." * 250_000 + "1"])
def test_a_cell_of_megabytes_is_looked_at_once(text):
    """By the square of its length it would take hours."""
    assert kind_of(text) is None
    assert kind_of(f"{text} ann@example.org") == "e-mail addresses"
