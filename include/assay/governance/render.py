"""Pages from templates: every value escaped, and nothing loaded from anywhere else."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assay.core import Outcome
from assay.governance import figures, words

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE, _SCRIPT = ((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", "frame.js"))


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
    return _environment().get_template(f"{template}.html").render(root=root, airflow=airflow, **values)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "style": Markup(_STYLE),  # noqa: S704 (our own file)
        "script": Markup(_SCRIPT),  # noqa: S704
        "words": words,
        "figures": figures,
        "Outcome": Outcome,
        "run_path": _run_path,
    }
    return environment


def _run_path(run_key: str) -> str:
    """Where the orchestrator shows a run, below its own address."""
    dag, _, run = run_key.partition("/")
    return f"/dags/{quote(dag, safe='')}/runs/{quote(run, safe='')}"
