"""What a card is made of: statements, figures and tables, before they become Markdown or HTML."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.evidence.pictures.figure import Figure


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """The answer to one question.

    Attributes
    ----------
    name
        The question, in few words.
    value
        The answer; None where nobody has stated one: an explicit blank.
    source
        Where the answer comes from: a record of the dossier, or a place in the policy.
    """

    name: str
    value: str | None
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Answers to several questions."""

    facts: Sequence[Fact]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Text in rows.

    Attributes
    ----------
    caption, header, rows
        What it says. A cell may have several lines.
    numbers
        Columns that are set to the right.
    note
        What to know when reading it; may be empty.
    folded
        Whether it is shown only on demand, where the form allows it.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()
    note: str = ""
    folded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """What people wrote, as they wrote it: Markdown.

    Attributes
    ----------
    text
        Their words.
    source
        Whose they are.
    blanks
        How many questions they leave blank.
    """

    text: str
    source: str
    blanks: int = 0


Item = Facts | Figure | Table | Note | Quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Items under one heading; `reference` says who asks for them."""

    title: str
    items: Sequence[Item]
    reference: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Several sections that are a document of their own: model card, datasheet, technical documentation."""

    title: str
    sections: Sequence[Section]
    lead: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything that is shown of one version.

    Attributes
    ----------
    title
        Model and version.
    lead
        What its owner says it is for; may be empty.
    owner
        Who owes the answers that are blank.
    summary
        What to know first.
    model_card, datasheet, annex, provenance
        Its parts.
    """

    title: str
    lead: str
    owner: str
    summary: Facts
    model_card: Part
    datasheet: Part
    annex: Part
    provenance: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in their order."""
        return self.model_card, self.datasheet, self.annex, self.provenance

    @property
    def questions(self) -> int:
        """How many questions the card puts, answered or not."""
        return sum(1 for _ in facts_of(*self.parts))

    @property
    def blanks(self) -> int:
        """How many of them nobody has answered."""
        return sum(fact.value is None for fact in facts_of(*self.parts))

    @property
    def quoted_blanks(self) -> int:
        """How many questions people's own words leave blank."""
        return sum(item.blanks for item in items_of(*self.parts) if isinstance(item, Quote))


def items_of(*parts: Part) -> Iterator[Item]:
    """Every item of some parts, in order."""
    return (item for part in parts for section in part.sections for item in section.items)


def facts_of(*parts: Part) -> Iterator[Fact]:
    """Every question of some parts, in order."""
    return (fact for item in items_of(*parts) if isinstance(item, Facts) for fact in item.facts)
