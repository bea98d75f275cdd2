"""Whatever is drawn or written can be told from what is behind it: on light and dark screens and on paper."""

import re

import pytest

from assay.evidence.pictures.rendering import STYLE

ROOTS = [
    dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\n *\}", STYLE, flags=re.DOTALL)
]
TONES = ("ink", "quiet", "link", "pass", "fail", "inconclusive", "error", "none")
BEHIND = ("paper", "wash", "allowed")


def contrast(one, other):
    """WCAG 2.2, the contrast ratio of two colours."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_there_are_three_sets_of_colours():
    assert len(ROOTS) == 3
    assert len({tuple(sorted(root)) for root in ROOTS}) == 1


@pytest.mark.parametrize("root", ROOTS, ids=["light", "dark", "print"])
@pytest.mark.parametrize("tone", TONES)
def test_contrast(root, tone):
    assert min(contrast(root[tone], root[behind]) for behind in BEHIND) >= 4.5


@pytest.mark.parametrize("root", ROOTS, ids=["light", "dark", "print"])
def test_a_sign_can_be_told_from_its_shape(root):
    assert min(contrast(root["sign"], root[tone]) for tone in ("pass", "fail", "inconclusive", "error")) >= 4.5
