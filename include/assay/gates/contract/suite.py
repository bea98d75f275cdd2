"""Read a contract: a Great Expectations suite in JSON or YAML."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from assay.core import Problem, Severity, UserError, did_you_mean, problem
from assay.gates.contract.arguments import argument_problems

_KEYS = {"type", "kwargs", "severity", "meta", "description", "id", "notes", "rendered_content", "windows"}
# what older suites say of how a result is to be returned, which is not the suite's to say here
_HOW = {"result_format", "include_config", "catch_exceptions", "batch_id", "profiler_config", "auto"}


def load_suite(path: Path) -> dict[str, Any]:
    """Read and check a suite.

    Returns
    -------
    dict
        ``{"name": ..., "expectations": [{"type", "kwargs", "severity", "meta"}, ...]}``; the older
        spelling (``expectation_suite_name``, ``expectation_type``) is read into the same form.

    Raises
    ------
    UserError
        When it is neither JSON nor YAML, as its name says, with line and column; else listing every
        expectation that has an unknown type or key, arguments that its type does not take, a regular
        expression that does not compile, or limits that contradict each other.
    """
    data = _yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _json(path)
    _check_numbers(path, data)
    expectations = data.get("expectations") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(expectations, list):
        raise problem(str(path), "is not a suite", 'write {"name": "...", "expectations": [...]}')
    problems: list[Problem] = []
    entries = []
    for position, raw in enumerate(expectations):
        where = f"expectations.{position}"
        if not isinstance(raw, dict):
            problems.append(Problem(path=where, message=f"is not an object, got {raw!r}"))
            continue
        entry = {("type" if key == "expectation_type" else key): value for key, value in raw.items()}
        found = _shape_problems(entry, where)
        if not found:
            entries.append(_entry(entry))
            found = argument_problems(entries[-1], where)
        problems += found
    if problems:
        raise UserError(str(path), problems)
    return {"name": data.get("name") or data.get("expectation_suite_name") or path.stem, "expectations": entries}


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    meta = dict(entry.get("meta") or {})
    if entry.get("notes") and not meta.get("notes"):
        meta["notes"] = entry["notes"]
    kwargs = {key: value for key, value in (entry.get("kwargs") or {}).items() if key not in _HOW}
    if entry.get("description"):
        kwargs.setdefault("description", entry["description"])
    return {"type": entry["type"], "kwargs": kwargs, "severity": entry.get("severity", "critical"), "meta": meta}


def _json(path: Path) -> Any:
    try:
        found = json.loads(_text(path), parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair can be read, but not be written again
    except json.JSONDecodeError as error:
        raise problem(str(path), f"line {error.lineno}, column {error.colno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise problem(str(path), "cannot be read: it is nested too deeply") from None
    except ValueError as error:
        raise problem(str(path), f"cannot be read: {error}") from None
    return found


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(_text(path))
    except RecursionError:
        raise problem(str(path), "cannot be read: it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # an impossible date is a ValueError to PyYAML
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise problem(str(path), f"{where}is not YAML: {reason}") from None


def _check_numbers(path: Path, data: Any) -> None:
    """Refuse `.inf` and 1e400, against which nothing can be held and which no verdict can tell."""
    try:
        json.dumps(data, default=str, skipkeys=True, check_circular=False, allow_nan=False)
    except RecursionError:
        raise problem(str(path), "cannot be read: it is nested too deeply") from None
    except ValueError:
        mend = "leave out a side of a range that is open"
        raise problem(str(path), "holds a number that is endless, or none", mend) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise problem(str(path), "no such file") from None
    except (OSError, ValueError) as error:
        raise problem(str(path), f"cannot be read: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")


def _shape_problems(entry: Mapping[str, Any], where: str) -> list[Problem]:
    problems = [
        Problem(path=f"{where}.{key}", message="unknown key", mend=did_you_mean(key, _KEYS))
        for key in entry
        if key not in _KEYS
    ]
    if not isinstance(entry.get("type"), str):
        problems.append(Problem(path=f"{where}.type", message="is missing or not a string"))
    for key in ("kwargs", "meta"):
        if not isinstance(entry.get(key) or {}, dict):
            problems.append(Problem(path=f"{where}.{key}", message=f"is not an object, got {entry[key]!r}"))
    severities = get_args(Severity)
    if entry.get("severity", "critical") not in severities:
        message = f"must be one of {', '.join(severities)}, got {entry['severity']!r}"
        problems.append(Problem(path=f"{where}.severity", message=message))
    return problems
