"""The templates that draw pictures, for a room's own templates to build on: every value escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from assay.evidence.pictures import figure, forest, reliability, spread, spread_words

_TEMPLATES = Path(__file__).parent / "templates"
STYLE = (_TEMPLATES / "pictures.css").read_text("utf-8")
"""Colours, in light, dark and print, and what the pictures look like."""

LONG = 60
"""Rows from which on a table is printed only where its reader has opened it."""


def environment(templates: Path) -> Environment:
    """Templates of a folder, which may import ``pictures.html``."""
    made = Environment(
        loader=FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "figures": figure,
        "forest": forest,
        "reliability": reliability,
        "spread": spread,
        "spread_words": spread_words,
        "LONG": LONG,
    }
    return made
