"""`assay gate ...`: every gate on plain files, by the code that runs it in Airflow."""

import typer

from assay.cli.gate.contract import contract
from assay.cli.gate.fairness import fairness
from assay.cli.gate.performance import performance
from assay.cli.gate.robustness import robustness

app = typer.Typer(
    no_args_is_help=True,
    help="Judge plain files by one gate. Exit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 ERROR, 2 wrong usage or input.",
)
for command in (contract, performance, fairness, robustness):
    app.command()(command)
