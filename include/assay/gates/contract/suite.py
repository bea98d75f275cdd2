"""Read a contract: a Great Expectations suite in JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from assay.core import Problem, Severity, UserError, did_you_mean, problem

_KEYS = {"type", "kwargs", "severity", "meta", "description", "id", "notes", "rendered_content"}


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
        When it is not JSON, with line and column; else listing every expectation that has an unknown
        type, an unknown key, or arguments that its type does not take.
    """
    data = _json(path)
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
        found = _shape_problems(entry, where) or _argument_problems(entry, where)
        problems += found
        entries.append(
            {
                "type": entry.get("type"),
                "kwargs": entry.get("kwargs", {}),
                "severity": entry.get("severity", "critical"),
                "meta": entry.get("meta") or {},
            }
        )
    if problems:
        raise UserError(str(path), problems)
    return {"name": data.get("name") or data.get("expectation_suite_name") or path.stem, "expectations": entries}


def _json(path: Path) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair can be read, but not be written again
    except FileNotFoundError:
        raise problem(str(path), "no such file") from None
    except json.JSONDecodeError as error:
        raise problem(str(path), f"line {error.lineno}, column {error.colno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise problem(str(path), "cannot be read: it is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise problem(str(path), f"cannot be read: {error}") from None
    return found


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


def _argument_problems(entry: Mapping[str, Any], where: str) -> list[Problem]:
    """What Great Expectations itself says when it builds the expectation."""
    from assay.gates.contract.adapter import silence
    from assay.gates.contract.dialect import great_expectations

    great_expectations()
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if entry["type"] not in known:
        mend = did_you_mean(entry["type"], known)
        mend = mend if mend.startswith("did") else "see the Great Expectations gallery"
        return [Problem(path=f"{where}.type", message=f'unknown expectation "{entry["type"]}"', mend=mend)]
    try:
        with silence():
            ExpectationConfiguration(type=entry["type"], kwargs=dict(entry.get("kwargs") or {})).to_domain_obj()
    except Exception as error:  # pydantic v1's errors, and whatever validators of single expectations raise
        details = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error)}]
        return [
            Problem(
                path=".".join([where, "kwargs", *(str(step) for step in detail["loc"] if step != "__root__")]),
                message=" ".join(str(detail["msg"]).split()),
            )
            for detail in details
        ]
    return []
