"""What is wrong with an expectation before any data are looked at."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from assay.core import Problem, did_you_mean

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def argument_problems(entry: Mapping[str, Any], where: str) -> list[Problem]:
    """Everything that keeps an expectation from being evaluated on any data, each with its path below `where`."""
    kind, kwargs = entry["type"], entry["kwargs"]
    unknown = _unknown_type(kind, where)
    if unknown:
        return [unknown]
    path = f"{where}.kwargs"
    own = [*_regex_problems(kwargs, path), *_limit_problems(kwargs, path)]
    return own or _refused(kind, kwargs, path)


def _unknown_type(kind: str, where: str) -> Problem | None:
    from assay.gates.contract.dialect import great_expectations

    great_expectations()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if kind in known:
        return None
    mend = did_you_mean(kind, known)
    mend = mend if mend.startswith("did") else "see the Great Expectations gallery"
    return Problem(path=f"{where}.type", message=f'unknown expectation "{kind}"', mend=mend)


def _regex_problems(kwargs: Mapping[str, Any], where: str) -> Iterator[Problem]:
    listed = kwargs.get("regex_list")
    patterns = {f"{where}.regex": kwargs.get("regex")}
    patterns |= {f"{where}.regex_list.{at}": each for at, each in enumerate(listed if isinstance(listed, list) else [])}
    for path, pattern in patterns.items():
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                yield Problem(path=path, message=f"does not compile: {error}, in {pattern!r}")


def _limit_problems(kwargs: Mapping[str, Any], where: str) -> Iterator[Problem]:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    strict = kwargs.get("strict_min") or kwargs.get("strict_max")
    if _above(low, high):
        yield Problem(path=where, message=f"min_value {low} is above max_value {high}: nothing can lie between")
    elif low is not None and low == high and strict:
        yield Problem(path=where, message=f"min_value and max_value are both {low} and strict: nothing can lie between")
    ranges = kwargs.get("quantile_ranges")
    for at, each in enumerate((ranges.get("value_ranges") or []) if isinstance(ranges, dict) else []):
        if isinstance(each, list) and len(each) == 2 and _above(*each):
            path = f"{where}.quantile_ranges.value_ranges.{at}"
            yield Problem(path=path, message=f"{each[0]} is above {each[1]}: nothing can lie between")
    if kwargs.get("value_set") == []:
        yield Problem(path=f"{where}.value_set", message="is empty: no value can be in it")


def _above(low: Any, high: Any) -> bool:
    """Whether two limits, of numbers or of dates, leave nothing between them."""
    dates = [isinstance(each, date) or (isinstance(each, str) and _DATE.match(each)) for each in (low, high)]
    if all(dates):
        return str(low) > str(high)
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high


def _refused(kind: str, kwargs: Mapping[str, Any], where: str) -> list[Problem]:
    """What Great Expectations itself says when it builds the expectation."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from assay.gates.contract.adapter import silence

    try:
        with silence():
            ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()
    except Exception as error:  # pydantic v1's errors, and whatever validators of single expectations raise
        details = error.errors() if hasattr(error, "errors") else [{"loc": (), "msg": str(error)}]
        said: dict[str, list[str]] = {}
        for detail in details:  # one for each type that an argument may have
            path = ".".join([where, *(str(step) for step in detail["loc"] if step != "__root__")])
            said.setdefault(path, []).append(" ".join(str(detail["msg"]).split()))
        return [
            Problem(path=path, message=", or ".join(dict.fromkeys(messages)) + _given(kwargs, path))
            for path, messages in said.items()
        ]
    return []


def _given(kwargs: Mapping[str, Any], path: str) -> str:
    name = path.rpartition(".")[2]
    return f", got {kwargs[name]!r}" if name in kwargs else ""
