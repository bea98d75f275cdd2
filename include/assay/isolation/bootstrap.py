"""The first code inside the box: give everything up for good, then run the module that the box was made for.

Nothing but the standard library is imported before the doors are closed.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.isolation import kernel, landlock, seccomp
from assay.isolation.platform_paths import DEVICES, HARDWARE

_ANSWER_LINE = 1 << 16
"""Characters of a line that passes between the box and whoever runs it."""


def main() -> None:
    """Close the box and run its module's `main(receive, send)`."""
    asked = json.loads(sys.argv[1])
    _close(asked)
    receive, send = _lines(asked["receive"], asked["send"])
    module = importlib.import_module(asked["module"])
    module.main(receive, send)


def _close(asked: dict[str, Any]) -> None:
    level = asked["level"]
    if level == "none":
        return
    kernel.drop_capabilities()
    if level == "landlock":
        own = Path("/proc") / str(os.getpid())
        landlock.restrict(
            readable=[*(Path(each) for each in (*asked["readable"], *HARDWARE)), own],
            writable=[Path(asked["scratch"])],
            devices=[Path(each) for each in DEVICES],
        )
    keeps_signals = level == "namespaces" or (level == "landlock" and landlock.keeps_signals()) or level == "user"
    seccomp.apply(attributes=level == "landlock", signals=not keeps_signals)


def _lines(receive: int, send: int) -> tuple[Callable[[], str], Callable[[str], None]]:
    source, sink = os.fdopen(receive, "r", encoding="utf-8"), os.fdopen(send, "w", encoding="utf-8")

    def receive_line() -> str:
        line = source.readline()
        if not line:
            sys.exit(0)  # whoever runs the box is done with it
        return line

    def send_line(line: str) -> None:
        sink.write(line + "\n")
        sink.flush()

    return receive_line, send_line
