"""Every core expectation type, with arguments that a small table meets and arguments that it does not."""

from typing import Any

import pandas as pd

DATA = pd.DataFrame(
    {
        "id": range(1, 11),
        "n": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        "down": [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
        "x": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 1000.0],
        "half": [1.0, None, 3.0, None, 5.0, None, 7.0, None, 9.0, None],
        "none": pd.Series([None] * 10, dtype="string"),
        "sex": ["f", "m", "f", "m", "f", "m", "f", "m", "f", "f"],
        "code": ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j10"],
        "day": ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"] * 2,
        "json": ['{"a": 1}', "[1]", '{"a": 2}', '"x"', "3"] * 2,
        "thing": ['{"a": 1}', '{"a": 2}'] * 5,
    }
)

Kwargs = dict[str, Any]
AB = {"column_A": "n", "column_B": "down"}

# type: what DATA meets, and what it does not
CASES: dict[str, tuple[Kwargs, Kwargs]] = {
    "expect_column_distinct_values_to_be_in_set": (
        {"column": "sex", "value_set": ["f", "m", "x"]},
        {"column": "sex", "value_set": ["f"]},
    ),
    "expect_column_distinct_values_to_contain_set": (
        {"column": "sex", "value_set": ["f"]},
        {"column": "sex", "value_set": ["f", "x"]},
    ),
    "expect_column_distinct_values_to_equal_set": (
        {"column": "sex", "value_set": ["f", "m"]},
        {"column": "sex", "value_set": ["f", "x"]},
    ),
    "expect_column_kl_divergence_to_be_less_than": (
        {"column": "sex", "partition_object": {"values": ["f", "m"], "weights": [0.6, 0.4]}, "threshold": 0.01},
        {"column": "sex", "partition_object": {"values": ["f", "m"], "weights": [0.01, 0.99]}, "threshold": 0.01},
    ),
    "expect_column_max_to_be_between": ({"column": "n", "max_value": 10}, {"column": "n", "max_value": 9}),
    "expect_column_mean_to_be_between": (
        {"column": "n", "min_value": 5, "max_value": 6},
        {"column": "n", "min_value": 6},
    ),
    "expect_column_median_to_be_between": (
        {"column": "n", "min_value": 5.5, "max_value": 5.5},
        {"column": "n", "min_value": 6},
    ),
    "expect_column_min_to_be_between": ({"column": "n", "min_value": 1}, {"column": "n", "min_value": 2}),
    "expect_column_most_common_value_to_be_in_set": (
        {"column": "sex", "value_set": ["f"]},
        {"column": "sex", "value_set": ["m"]},
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        {"column_A": "x", "column_B": "n", "mostly": 0.1},
        {**AB},
    ),
    "expect_column_pair_values_to_be_equal": ({"column_A": "id", "column_B": "n"}, {**AB}),
    "expect_column_pair_values_to_be_in_set": (
        {"column_A": "id", "column_B": "n", "value_pairs_set": [[n, n] for n in range(1, 11)]},
        {"column_A": "id", "column_B": "n", "value_pairs_set": [[1, 1], [2, 2]]},
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        {"column": "half", "min_value": 0.5, "max_value": 0.5},
        {"column": "half", "min_value": 0.6},
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        {"column": "sex", "min_value": 0.2, "max_value": 0.2},
        {"column": "sex", "min_value": 0.5},
    ),
    "expect_column_quantile_values_to_be_between": (
        {"column": "n", "quantile_ranges": {"quantiles": [0.0, 1.0], "value_ranges": [[1, 1], [10, 10]]}},
        {"column": "n", "quantile_ranges": {"quantiles": [0.0, 1.0], "value_ranges": [[1, 1], [0, 9]]}},
    ),
    "expect_column_stdev_to_be_between": (
        {"column": "n", "min_value": 3, "max_value": 3.1},
        {"column": "n", "max_value": 3},
    ),
    "expect_column_sum_to_be_between": (
        {"column": "n", "min_value": 55, "max_value": 55},
        {"column": "n", "max_value": 54},
    ),
    "expect_column_to_exist": ({"column": "n"}, {"column": "m"}),
    "expect_column_type_to_be": ({"column": "n", "type_": "BIGINT"}, {"column": "n", "type_": "VARCHAR"}),
    "expect_column_unique_value_count_to_be_between": (
        {"column": "sex", "min_value": 2, "max_value": 2},
        {"column": "sex", "min_value": 3},
    ),
    "expect_column_value_lengths_to_be_between": (
        {"column": "code", "min_value": 2, "max_value": 3},
        {"column": "code", "max_value": 2},
    ),
    "expect_column_value_lengths_to_equal": ({"column": "sex", "value": 1}, {"column": "code", "value": 2}),
    "expect_column_value_z_scores_to_be_less_than": (
        {"column": "n", "threshold": 2, "double_sided": True},
        {"column": "x", "threshold": 2, "double_sided": True},
    ),
    "expect_column_values_to_be_between": (
        {"column": "x", "min_value": 0, "max_value": 1000},
        {"column": "x", "min_value": 0, "max_value": 10},
    ),
    "expect_column_values_to_be_dateutil_parseable": ({"column": "day"}, {"column": "code"}),
    "expect_column_values_to_be_decreasing": ({"column": "down"}, {"column": "n"}),
    "expect_column_values_to_be_in_set": (
        {"column": "sex", "value_set": ["f", "m"]},
        {"column": "sex", "value_set": ["f"]},
    ),
    "expect_column_values_to_be_in_type_list": (
        {"column": "n", "type_list": ["BIGINT", "INTEGER"]},
        {"column": "n", "type_list": ["VARCHAR", "DOUBLE"]},
    ),
    "expect_column_values_to_be_increasing": ({"column": "n"}, {"column": "down"}),
    "expect_column_values_to_be_json_parseable": ({"column": "json"}, {"column": "code"}),
    "expect_column_values_to_be_null": ({"column": "none"}, {"column": "half"}),
    "expect_column_values_to_be_of_type": ({"column": "n", "type_": "BIGINT"}, {"column": "n", "type_": "VARCHAR"}),
    "expect_column_values_to_be_unique": ({"column": "id"}, {"column": "sex"}),
    "expect_column_values_to_match_json_schema": (
        {"column": "thing", "json_schema": {"type": "object", "required": ["a"]}},
        {"column": "thing", "json_schema": {"type": "object", "required": ["b"]}},
    ),
    "expect_column_values_to_match_like_pattern": (
        {"column": "day", "like_pattern": "2024-%"},
        {"column": "day", "like_pattern": "2025-%"},
    ),
    "expect_column_values_to_match_like_pattern_list": (
        {"column": "day", "like_pattern_list": ["2024-%", "2025-%"], "match_on": "any"},
        {"column": "day", "like_pattern_list": ["2024-%", "2025-%"], "match_on": "all"},
    ),
    "expect_column_values_to_match_regex": (
        {"column": "code", "regex": r"^[a-j]\d+$"},
        {"column": "code", "regex": r"^[a-h]\d+$"},
    ),
    "expect_column_values_to_match_regex_list": (
        {"column": "code", "regex_list": [r"\d", "z"], "match_on": "any"},
        {"column": "code", "regex_list": [r"\d", "z"], "match_on": "all"},
    ),
    "expect_column_values_to_match_strftime_format": (
        {"column": "day", "strftime_format": "%Y-%m-%d"},
        {"column": "day", "strftime_format": "%d.%m.%Y"},
    ),
    "expect_column_values_to_not_be_in_set": (
        {"column": "sex", "value_set": ["x"]},
        {"column": "sex", "value_set": ["m"]},
    ),
    "expect_column_values_to_not_be_null": ({"column": "half", "mostly": 0.5}, {"column": "half"}),
    "expect_column_values_to_not_be_outliers": (
        {"column": "n", "method": "iqr", "multiplier": 1.5},
        {"column": "x", "method": "iqr", "multiplier": 1.5},
    ),
    "expect_column_values_to_not_match_like_pattern": (
        {"column": "day", "like_pattern": "2025-%"},
        {"column": "day", "like_pattern": "2024-%"},
    ),
    "expect_column_values_to_not_match_like_pattern_list": (
        {"column": "day", "like_pattern_list": ["2025-%"]},
        {"column": "day", "like_pattern_list": ["2025-%", "%-05"]},
    ),
    "expect_column_values_to_not_match_regex": (
        {"column": "code", "regex": "z"},
        {"column": "code", "regex": "^a"},
    ),
    "expect_column_values_to_not_match_regex_list": (
        {"column": "code", "regex_list": ["z", "y"]},
        {"column": "code", "regex_list": ["z", "^a"]},
    ),
    "expect_compound_columns_to_be_unique": (
        {"column_list": ["sex", "code"]},
        {"column_list": ["sex", "day"]},
    ),
    "expect_multicolumn_sum_to_equal": (
        {"column_list": ["n", "down"], "sum_total": 11},
        {"column_list": ["n", "id"], "sum_total": 11},
    ),
    "expect_multicolumn_values_to_be_equal": ({"column_list": ["n", "id"]}, {"column_list": ["n", "down"]}),
    "expect_query_results_to_match_comparison": (
        {
            "base_query": "SELECT count(*) FROM {batch}",
            "comparison_data_source_name": "contract",
            "comparison_query": "SELECT 10",
        },
        {
            "base_query": "SELECT count(*) FROM {batch}",
            "comparison_data_source_name": "contract",
            "comparison_query": "SELECT 11",
        },
    ),
    "expect_select_column_values_to_be_unique_within_record": (
        {"column_list": ["n", "x"]},
        {"column_list": ["n", "id"]},
    ),
    "expect_table_column_count_to_be_between": ({"min_value": 11}, {"max_value": 10}),
    "expect_table_column_count_to_equal": ({"value": 11}, {"value": 10}),
    "expect_table_columns_to_match_ordered_list": (
        {"column_list": list(DATA.columns)},
        {"column_list": ["id", "n"]},
    ),
    "expect_table_columns_to_match_set": (
        {"column_set": ["id", "n"], "exact_match": False},
        {"column_set": ["id", "n"]},
    ),
    "expect_table_row_count_to_be_between": ({"min_value": 10, "max_value": 10}, {"min_value": 11}),
    "expect_table_row_count_to_equal": ({"value": 10}, {"value": 11}),
    "expect_table_row_count_to_equal_other_table": ({"other_table_name": "data"}, {"other_table_name": "other"}),
    "unexpected_rows_expectation": (
        {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > 10"},
        {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > 9"},
    ),
}
