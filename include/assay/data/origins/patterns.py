"""Names of files with ``*``, ``**``, ``?`` and ``[...]`` in them."""

import re
from pathlib import Path

_PATTERN = re.compile(r"[*?\[]")


def is_pattern(path: str) -> bool:
    """Whether a path may mean other files than the one of that very name."""
    return _PATTERN.search(path) is not None


def fixed_part(path: str) -> str:
    """The folder above the first pattern; the path itself where there is none."""
    if not is_pattern(path) or Path(path).exists():
        return path
    fixed = []
    for step in path.split("/"):
        if _PATTERN.search(step):
            break
        fixed.append(step)
    return "/".join(fixed)


def translated(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression: ``*`` and ``?`` stay within a folder, ``**`` goes through folders.

    Examples
    --------
    >>> [bool(translated("a/**").fullmatch(path)) for path in ("a/b.csv", "a/b/c.csv", "b.csv")]
    [True, True, False]
    >>> [bool(translated("[!0-4].csv").fullmatch(path)) for path in ("3.csv", "5.csv")]
    [False, True]
    """
    parts = re.split(r"(\*\*/|\*\*$|\*|\?|\[[^\]]+\])", pattern)
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meant.get(part) or _one_of(part) for part in parts), re.DOTALL)


def _one_of(part: str) -> str:
    """``[abc]``, ``[a-c]`` and ``[!abc]``; any other text stands for itself."""
    if not part.startswith("["):
        return re.escape(part)
    inner = part[1:-1].replace("\\", r"\\").replace("^", r"\^")
    return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"


def is_hidden(below: str) -> bool:
    """Whether some step begins with a dot or an underscore, as logs and markers do; ``_x=1`` is a partition."""
    return any(step.startswith(".") or (step.startswith("_") and "=" not in step) for step in below.split("/"))


def is_data(path: str) -> bool:
    """Whether a name is that of a data file."""
    return Path(path).suffix.lower() in (".csv", ".parquet")
