"""What personal data look like, with the checksums that tell them from other numbers."""

import re
from collections.abc import Callable, Mapping

_HINT = re.compile(r"@|(?:\d[ ().\-/]*){6}|^[A-Za-z]{6}\d{2}")
"""What every kind has: a text without it is none of them."""


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others.

    References
    ----------
    ISO/IEC 7812-1, annex B: the formula that H. P. Luhn patented in 1960.

    Examples
    --------
    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_card(text: str) -> bool:
    """Whether it could be a payment card's number: its length, the first digit of an issuer, the check digit.

    Examples
    --------
    >>> is_card("4111 1111 1111 1111"), is_card("9111 1111 1111 1111")
    (True, False)
    """
    digits = re.sub(r"[ -]", "", text)
    return digits.isascii() and digits.isdigit() and 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn(digits)


def is_iban(text: str) -> bool:
    """Whether it is an IBAN whose check digits are right.

    References
    ----------
    ISO 13616-1, with the check digits of ISO/IEC 7064, MOD 97-10.

    Examples
    --------
    >>> is_iban("DE89 3704 0044 0532 0130 00"), is_iban("DE88 3704 0044 0532 0130 00")
    (True, False)
    """
    plain = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def is_national_id(text: str) -> bool:
    """Whether it has the shape of a national identity number, and its check character where it has one.

    Of Brazil, France, Great Britain, Italy, Spain and the United States.

    Examples
    --------
    >>> [is_national_id(text) for text in ("123-45-6789", "AB 12 34 56 C", "12345678Z", "12345678A", "1994-05-31")]
    [True, True, True, False, False]
    """
    plain = text.strip().upper()
    if found := re.fullmatch(r"(\d{8})([A-Z])", plain):
        return "TRWAGMYFPDXBNJZSQVHLCKE"[int(found[1]) % 23] == found[2]
    if found := re.fullmatch(r"([12]\d{2}(?:0[1-9]|1[0-2])\d{8})(\d{2})", plain.replace(" ", "")):
        return 97 - int(found[1]) % 97 == int(found[2])
    return any(shape.fullmatch(plain) for shape in _SHAPES)


_SHAPES = [
    re.compile(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}"),
    re.compile(r"[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
    re.compile(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"),
    re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
]

# it begins where a word does: tried from each letter of a long one, it took the square of its length
_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)*\.[A-Za-z]{2,}")
_PHONE = re.compile(
    r"(?<![\w+])(?:\+\d{1,3}[ .\-]?(?:\(?\d{1,4}\)?[ .\-/]?){2,5}\d{2,4}"
    r"|\(\d{3}\) ?\d{3}[ .\-]\d{4}|\d{3}[.\-]\d{3}[.\-]\d{4})(?!\w)"
)
_CARD = re.compile(r"(?<![\w.\-])\d(?:[ -]?\d){12,18}(?![\w.\-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")


def _any(pattern: re.Pattern[str], holds: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: any(holds(found) for found in pattern.findall(text))


KINDS: Mapping[str, Callable[[str], bool]] = {
    "e-mail addresses": lambda text: "@" in text and _EMAIL.search(text) is not None,
    "IBANs": _any(_IBAN, is_iban),
    "payment cards": _any(_CARD, is_card),
    "national identity numbers": is_national_id,
    "phone numbers": lambda text: _PHONE.search(text) is not None,
}
"""What is looked for, and how a text is told to hold it."""


def kind_of(text: str) -> str | None:
    """The first kind of personal data that a text holds.

    Examples
    --------
    >>> [kind_of(text) for text in ("ann@example.org", "+44 20 7946 0958", "Private", "2024-05-31 14:00:00")]
    ['e-mail addresses', 'phone numbers', None, None]
    """
    if _HINT.search(text) is None:
        return None
    return next((kind for kind, holds in KINDS.items() if holds(text)), None)
