"""A card as Markdown."""

import re
from collections.abc import Iterator, Sequence

from assay.evidence.card.parts import Card, Fact, Facts, Item, Note, Part, Quote, Section, Table
from assay.evidence.pictures.figure import NUMBERS, Figure, cells, used_columns

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+|<>!~$&])")


def to_markdown(card: Card, *, parts: Sequence[Part] | None = None) -> str:
    """Write a card, or some of its parts, as one Markdown document."""
    lines = [f"# {escaped(card.title)}", ""]
    if card.lead:
        lines += [escaped(card.lead), ""]
    lines += [*_facts(card.summary.facts, card.owner), "", f"**{blanks(card)}**", ""]
    for part in card.parts if parts is None else parts:
        lines += _part(part, card.owner)
    return "\n".join(lines).rstrip() + "\n"


def blanks(card: Card) -> str:
    """How much of the card is blank, in a sentence."""
    text = f"{card.blanks} of {card.questions} questions are not stated"
    if card.quoted_blanks:
        text += f", and the team's own datasheet leaves {card.quoted_blanks} blank"
    return f"{text}. Owner: {card.owner}."


def unstated(owner: str) -> str:
    """What stands where nobody has stated anything."""
    return f"not stated; owner: {owner}"


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    Examples
    --------
    >>> print(escaped("a | b\n# <b>"))
    a \| b \# \<b\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _part(part: Part, owner: str) -> Iterator[str]:
    yield from (f"## {escaped(part.title)}", "")
    if part.lead:
        yield from (escaped(part.lead), "")
    for section in part.sections:
        yield from _section(section, owner)


def _section(section: Section, owner: str) -> Iterator[str]:
    yield from (f"### {escaped(section.title)}" + (f" ({section.reference})" if section.reference else ""), "")
    for item in section.items:
        yield from _item(item, owner)
        yield ""


def _item(item: Item, owner: str) -> Iterator[str]:
    match item:
        case Facts():
            yield from _facts(item.facts, owner)
        case Figure():
            yield from _figure(item)
        case Table():
            yield from _table(item)
        case Note():
            yield escaped(item.text)
        case Quote():
            yield from (f"> **{escaped(item.source)}**", ">")
            yield from (f"> {line}".rstrip() for line in item.text.splitlines())


def _facts(facts: Sequence[Fact], owner: str) -> list[str]:
    rows = [
        [
            escaped(fact.name),
            f"*{escaped(unstated(owner))}*" if fact.value is None else escaped(fact.value),
            escaped(fact.source) if fact.value is not None else "",
        ]
        for fact in facts
    ]
    return _grid(["", "", "from"], rows)


def _figure(figure: Figure) -> Iterator[str]:
    yield from (f"**{escaped(_sentence(figure.caption))}**", "")
    header = used_columns(figure)
    rows = [[escaped(text) for name, text in cells(line).items() if name in header] for line in figure.lines]
    yield from _grid(header, rows, numbers=NUMBERS)
    if figure.level:
        yield from ("", escaped(figure.level))


def _table(table: Table) -> Iterator[str]:
    yield from (f"**{escaped(_sentence(table.caption))}**", "")
    rows = [[escaped(cell) for cell in row] for row in table.rows]
    yield from _grid([escaped(name) for name in table.header], rows, numbers=[escaped(name) for name in table.numbers])
    if table.note:
        yield from ("", escaped(table.note))


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> list[str]:
    rule = ["---:" if name in numbers else "---" for name in header]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
