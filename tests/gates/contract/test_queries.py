import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core import Outcome
from assay.gates.contract import judge, measure


def entry(name, severity="critical", /, **kwargs):
    return {"type": name, "kwargs": kwargs, "severity": severity, "meta": {}}


@pytest.mark.parametrize(
    "query",
    [
        "CREATE OR REPLACE VIEW data AS SELECT 1 AS n",
        "SELECT 1 AS a) AS b; CREATE OR REPLACE VIEW data AS SELECT 1 AS n; SELECT count(*) FROM (SELECT 1 AS a",
        "SELECT 1; CREATE OR REPLACE VIEW data AS SELECT 1 AS n",
        "COPY (SELECT 1 AS n) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    ],
)
@pytest.mark.parametrize("argument", ["unexpected_rows_query", "base_query", "comparison_query"])
def test_sql_of_a_suite_changes_neither_the_rows_nor_their_file(tmp_path, query, argument):
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 2]}), file)
    asked = {argument: query.format(file=file)}
    if argument == "unexpected_rows_query":
        own = entry("unexpected_rows_expectation", "info", **asked)
    else:
        asked = {"base_query": "SELECT 1", "comparison_query": "SELECT 1"} | asked
        own = entry("expect_query_results_to_match_comparison", "info", comparison_data_source_name="contract", **asked)
    between = entry("expect_column_values_to_be_between", column="n", max_value=1)
    judgement = judge(measure(files=[file], suite={"expectations": [own, between]}))
    changing, checked = judgement.checks
    assert (changing.outcome, checked.outcome, judgement.outcome) == (Outcome.ERROR, Outcome.FAIL, Outcome.FAIL)
    assert checked.support == 2
    assert argument in changing.reason
    assert pq.read_table(file).column("n").to_pylist() == [1, 2]
