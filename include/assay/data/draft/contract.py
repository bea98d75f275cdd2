"""A first contract: what holds for the data at hand, with room for what is to come."""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data.draft.roles import Roles
from assay.data.features import Kind, kinds

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_LISTED = 50

# How Great Expectations names DuckDB's types.
_TYPES: dict[str, list[str]] = {
    "number": [
        *("TinyInteger", "SMALLINT", "INTEGER", "BIGINT", "UTinyInteger", "USmallInteger", "UInteger", "UBigInteger"),
        *("REAL", "DOUBLE", "Numeric"),
    ],
    "text": ["String", "BOOLEAN"],
}


def draft_contract(table: "pa.Table", roles: Roles, name: str) -> str:
    """A suite, as JSON, that the table itself meets."""
    data = roles.data
    expectations = [
        _expect(
            "expect_table_columns_to_match_set",
            "The columns that the policy needs; others may come and go.",
            column_set=data.columns,
            exact_match=False,
        ),
        _expect(
            "expect_table_row_count_to_be_between",
            f"The first file had {table.num_rows:,} rows; half of that is a broken feed.",
            min_value=max(1, table.num_rows // 2),
        ),
        _expect("expect_column_values_to_be_unique", "A key names one row.", column=data.key),
        _expect(
            "expect_column_values_to_not_be_null", "A row without a key has no side in the split.", column=data.key
        ),
        _expect("expect_column_values_to_not_be_null", "A row without a label teaches nothing.", column=data.label),
        _known_values(table, data.label, "The two classes."),
    ]
    for column in data.sensitive:
        expectations.append(_not_null(table, column))
        if len(table[column].unique()) <= _MOST_LISTED:
            expectations.append(_known_values(table, column, "The groups that the fairness gate compares."))
    for column, kind in kinds(table.schema, data.features).items():
        expectations += _feature(table, column, kind)
    suite = {"name": name, "expectations": [each for each in expectations if each]}
    return json.dumps(suite, indent=2, ensure_ascii=False) + "\n"


def _feature(table: "pa.Table", column: str, kind: Kind) -> list[dict[str, Any]]:
    found = [
        _expect(
            "expect_column_values_to_be_in_type_list",
            "Another type would make the column another kind of input.",
            column=column,
            type_list=_TYPES[kind],
        ),
        _not_null(table, column),
    ]
    if kind == "number":
        found += _ranges(table, column)
    elif str(table[column].type) != "bool" and len(table[column].unique()) <= _MOST_LISTED:
        found.append(_known_values(table, column, "The categories of the first file; 1 % may be new.", mostly=0.99))
    return found


def _expect(kind: str, notes: str, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {"notes": notes}}


def _not_null(table: "pa.Table", column: str) -> dict[str, Any]:
    """At most twice the nulls of now; nothing where half of the values are null already."""
    share = table[column].null_count / table.num_rows
    if not share:
        return _expect("expect_column_values_to_not_be_null", "The first file had no nulls here.", column=column)
    mostly = _floor(1 - 2 * share)
    notes = f"{share:.1%} were null in the first file; twice that is a broken feed."
    return _expect("expect_column_values_to_not_be_null", notes, column=column, mostly=mostly) if mostly > 0 else {}


def _known_values(table: "pa.Table", column: str, notes: str, **more: Any) -> dict[str, Any]:
    values = sorted(table[column].drop_null().unique().to_pylist(), key=str)
    return _expect("expect_column_values_to_be_in_set", notes, column=column, value_set=values, **more)


def _ranges(table: "pa.Table", column: str) -> list[dict[str, Any]]:
    """A range from quantiles, which a few wild values do not move, and one for the mean."""
    values = table[column].drop_null().cast("float64", safe=False).to_numpy()
    if not np.isfinite(values).all():
        return []
    low, high = np.quantile(values, [0.01, 0.99])
    slack = (high - low) / 2
    low = 0.0 if values.min() >= 0 else math.floor(low - slack)
    high = values.max() if slack == 0 else high + slack
    mostly = _floor(1 - 2 * float(np.mean((values < low) | (values > math.ceil(high)))))
    mean, spread = float(values.mean()), float(values.std()) / 2 or max(abs(float(values.mean())) / 2, 1.0)
    return [
        _expect(
            "expect_column_values_to_be_between",
            "Half as wide again as the middle 98 % of the first file.",
            column=column,
            min_value=float(low),
            max_value=float(math.ceil(high)),
            mostly=max(mostly, 0.0),
        ),
        _expect(
            "expect_column_mean_to_be_between",
            "Half a standard deviation to either side of the first file's mean: another unit or population shows here.",
            severity="warning",
            column=column,
            min_value=mean - spread,
            max_value=mean + spread,
        ),
    ]


def _floor(share: float) -> float:
    """Down to hundredths, so that rounding never makes a contract that its own data break."""
    return math.floor(share * 100) / 100
