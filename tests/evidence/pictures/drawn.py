"""What an SVG picture shows, read back from its markup by its own axis and by nothing else."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from assay.evidence.card.html import _environment


@dataclass
class Row:
    """One row: what is written, and where the marks are in the axis' units."""

    name: str
    value: str = ""
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    allowed: tuple[float, float] | None = None
    limits: list[float] = field(default_factory=list)
    shape: str = ""
    said: str = ""


def rendered(macro, *arguments):
    """What a macro of the pictures makes."""
    module = _environment().get_template("pictures.html").make_module()
    return str(getattr(module, macro)(*arguments))


def svg(markup):
    """The first picture in some markup."""
    return ET.fromstring(markup[markup.index("<svg") : markup.index("</svg>") + len("</svg>")])


def axis(picture):
    """The map from user units to values that the labels of the axis tell."""
    ticks = [each for each in picture if each.get("class") == "tick"]
    pairs = [(float(each.get("x")), float(each.text.replace("\N{MINUS SIGN}", "-"))) for each in ticks]
    (first, low), (last, high) = pairs[0], pairs[-1]
    return lambda x: low + (x - first) * (high - low) / (last - first)


def rows(picture):
    """The rows of a forest plot, read back."""
    value_of, found = axis(picture), []
    for each in picture:
        kind = (each.get("class") or "").split()
        if "field" in kind:
            found.append(Row(name=""))
        if not found or not kind:
            continue
        row = found[-1]
        if "name" in kind:
            row.name = each.text
        elif "value" in kind:
            row.value = each.text
        elif "said" in kind:
            row.said = each.text
        elif "allowed" in kind:
            left = float(each.get("x"))
            row.allowed = (value_of(left), value_of(left + float(each.get("width"))))
        elif "limit" in kind:
            row.limits.append(value_of(_start(each)))
        elif "bar" in kind:
            row.interval = (value_of(_start(each)), value_of(float(each.get("d").split("H")[1])))
        elif "dot" in kind:
            row.estimate, row.shape = value_of(_middle(each)), each.tag
    return found


def _start(path):
    return float(path.get("d")[1:].split()[0])


def _middle(mark):
    if mark.tag == "circle":
        return float(mark.get("cx"))
    return float(mark.get("x")) + float(mark.get("width")) / 2 if mark.tag == "rect" else _start(mark)
