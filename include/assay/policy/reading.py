"""Read a policy file as plain values, whatever is in its place, within bounds of time and memory."""

import os
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from assay.core import Problem, UserError, problem

_LARGEST = 1_000_000
"""Bytes of a policy file: one of ten thousand columns has a third of that."""
_MOST_NODES = 200_000
"""Values of a policy once its aliases are written out."""
_DEEPEST = 50
"""Lists and mappings within each other in a file that is long enough to end the process, by libyaml's recursion."""
_LONG = 10_000

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times faster, where it was built


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """Safe YAML that refuses a key given twice, where PyYAML would keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    mark = key.start_mark
                    raise yaml.constructor.ConstructorError(None, None, f'the key "{key.value}" is given twice', mark)
                seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_policy(path: Path) -> bytes:
    """Read a policy file.

    Raises
    ------
    UserError
        When there is no such file, it cannot be read, is no regular file, or is too large for a policy.
    """
    try:
        # A pipe would be waited for, and a device be read without end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise problem(str(path), "is not a regular file", "a policy is a text file")
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise problem(str(path), "no such file") from None
    except OSError as error:
        raise problem(str(path), f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise problem(str(path), f"has more than {_LARGEST:,} bytes", "a policy holds settings, no data")
    return content


def read_mapping(content: bytes, subject: str) -> dict[str, Any]:
    """Parse YAML whose outermost value is a mapping.

    Raises
    ------
    UserError
        Naming the place of what is wrong.
    """
    try:
        _require_bounds(content, subject)
        data = yaml.load(content, Loader=_Loader)  # noqa: S506 (_Loader is a safe loader)
    except RecursionError:
        raise UserError(subject, [Problem(path=subject, message="is nested too deeply to be a policy")]) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an impossible date is a ValueError to PyYAML
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else subject
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(subject, [Problem(path=where, message=f"is not YAML: {reason}")]) from None
    if not isinstance(data, dict):
        found = "is empty" if data is None else f"holds a {type(data).__name__}"
        raise UserError(subject, [Problem(path=subject, message=f"{found}; a policy is a mapping of keys to values")])
    return data


def _require_bounds(content: bytes, subject: str) -> None:
    """Refuse what would be too deep or too large, event by event, without building anything.

    An alias counts for all that it stands for: a few lines of aliases of aliases can stand for billions of values,
    which a merge key (`<<`) would write out.
    """
    aliased = b"*" in content and b"&" in content
    if len(content) <= _LONG and not aliased:
        return
    sizes: dict[str, int] = {}
    open_at: list[tuple[str | None, int]] = []  # the anchor of each open collection, and how many values came before
    count = 0
    for event in yaml.parse(content, Loader=_Loader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            open_at.append((anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_at.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            count += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if anchor is not None:
                sizes[anchor] = 1
        if len(content) > _LONG and len(open_at) > _DEEPEST:
            raise UserError(subject, [Problem(path=subject, message="is nested too deeply to be a policy")])
        if count > _MOST_NODES:
            message = f"stands for more than {_MOST_NODES:,} values once its aliases are written out"
            raise UserError(subject, [Problem(path=subject, message=message, mend="write it without aliases")])
