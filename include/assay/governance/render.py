"""Pages from templates: every value escaped, and nothing loaded from anywhere else."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from assay.core import Outcome, Verdict
from assay.evidence.pictures.rendering import STYLE, environment
from assay.governance import words
from assay.governance.verdict.sheet import sheet

_TEMPLATES = Path(__file__).parent / "templates"
_OWN, _SCRIPT = ((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", "frame.js"))
_STYLE = STYLE + _OWN
_FIRST = 20
"""Checks that do not pass which a page shows unfolded."""


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


# The style and the script stand in the page itself, so that a page that was saved or printed is whole.
# Their hashes are all that may take effect: markup in somebody's reason could not, even unescaped.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(_STYLE)}",
            f"script-src {_hash(_SCRIPT)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

# A card is a stored file: its own style and pictures may take effect, in a sandbox, and nothing else.
CARD_HEADERS = HEADERS | {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "sandbox",
        ]
    )
}


def page(template: str, *, root: str, **values: Any) -> str:
    """Render a page.

    Parameters
    ----------
    template
        Its file name without ending.
    root
        Path under which these pages are mounted, one level below the orchestrator's own.
    """
    airflow = root.rpartition("/")[0]
    shown = {"root": root, "airflow": airflow, "layout": "base.html", **values}
    return _environment().get_template(f"{template}.html").render(**shown)


def verdict_file(verdict: Verdict) -> bytes:
    """The page of a verdict that is in no dossier, as one HTML file that loads nothing and runs nothing."""
    values = {"layout": "alone.html", "root": "", "page": None, "section": None, "sheet": sheet(verdict)}
    return _environment().get_template("verdict.html").render(**values).encode()


@cache
def _environment() -> Environment:
    made = environment(_TEMPLATES)
    made.globals |= {
        "style": Markup(_STYLE),  # noqa: S704 (our own file)
        "style_hash": _hash(_STYLE),
        "script": Markup(_SCRIPT),  # noqa: S704
        "words": words,
        "Outcome": Outcome,
        "run_path": _run_path,
        "FIRST": _FIRST,
    }
    return made


def _run_path(run_key: str) -> str:
    """Where the orchestrator shows a run, below its own address."""
    dag, _, run = run_key.partition("/")
    return f"/dags/{quote(dag, safe='')}/runs/{quote(run, safe='')}"
