"""A card as one HTML file: every value escaped, nothing loaded from anywhere."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup, escape

from assay.evidence.card import markdown
from assay.evidence.card.parts import Card, Item
from assay.evidence.pictures.rendering import STYLE, environment

_TEMPLATES = Path(__file__).parent / "templates"


def to_html(card: Card) -> str:
    """Write a card as one HTML document that needs no network and prints."""
    return _environment().get_template("card.html").render(card=card)


@cache
def _environment() -> Environment:
    made = environment(_TEMPLATES)
    made.globals |= {
        "style": Markup(STYLE + (_TEMPLATES / "card.css").read_text("utf-8")),  # noqa: S704 (our own files)
        "kind": _kind,
        "blanks": markdown.blanks,
        "unstated": markdown.unstated,
        "written": written,
        "anchor": anchor,
    }
    return made


def anchor(title: str) -> str:
    """The fragment of a heading.

    Examples
    --------
    >>> anchor("Technical documentation (EU AI Act, Annex IV)")
    'technical-documentation-eu-ai-act-annex-iv'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def written(text: str) -> Markup:
    """What people wrote in Markdown, with its paragraphs, lists and emphasis; anything else as it stands.

    Examples
    --------
    >>> str(written("- **What?** `x` _blank_"))
    '<ul><li><strong>What?</strong> <code>x</code> <em class="blank">blank</em></li></ul>'
    >>> str(written("<script>"))
    '<p>&lt;script&gt;</p>'
    """
    blocks = [_block(block.strip("\n")) for block in re.split(r"\n\s*\n", text) if block.strip()]
    return Markup("\n").join(blocks)


def _block(block: str) -> Markup:
    lines = block.splitlines()
    if lines[0].startswith(("- ", "* ")):
        entries = re.split(r"^[-*] +", block, flags=re.MULTILINE)[1:]
        return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(_inline(e)) for e in entries))
    if lines[0].startswith(("|", "    ", "```")):
        return Markup("<pre>{}</pre>").format(block)
    heading = re.fullmatch(r"#+\s+(.*)", lines[0])
    if heading and len(lines) == 1:
        return Markup("<p><strong>{}</strong></p>").format(_inline(heading[1]))
    return Markup("<p>{}</p>").format(_inline(block))


_MARK = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\b_(?P<blank>blank)_\b|(?<!\w)\*(?P<em>[^*\s][^*]*)\*(?!\w)"
)


def _inline(text: str) -> Markup:
    """Text with its marks, each of which begins and ends inside the one around it."""
    text, shown, place = " ".join(text.split()), Markup(), 0
    for found in _MARK.finditer(text):
        shown += escape(text[place : found.start()])
        kind, inner = str(found.lastgroup), found[str(found.lastgroup)]
        if kind == "blank":
            shown += Markup('<em class="blank">blank</em>')
        else:
            content = escape(inner) if kind == "code" else _inline(inner)
            shown += Markup("<{0}>{1}</{0}>").format(Markup(kind), content)  # noqa: S704 (one of four words of ours)
        place = found.end()
    return shown + escape(text[place:])


def _kind(item: Item) -> str:
    return type(item).__name__.lower()
