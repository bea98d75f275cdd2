"""`assay gate contract`."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Data, Page, Target, end


@explained
def contract(
    data: Data,
    suite: Annotated[Path, typer.Option(help="Data contract: a Great Expectations suite in JSON.", show_default=False)],
    json: Target,
    html: Page = None,
) -> None:
    """Hold a file to its data contract.

    Example: assay gate contract --data adult.parquet --suite contract.json --json verdict.json
    """
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_page, check_target
    from assay.core import Stopwatch
    from assay.data.sources import column_names
    from assay.gates import contract as gate

    watch, mistakes, expectations = Stopwatch(), Mistakes(), None
    with mistakes.gathered():
        check_target(json, data, suite)
    with mistakes.gathered():
        check_page(html, json, data, suite)
    with mistakes.gathered():
        column_names(data)
    with mistakes.gathered():
        expectations = gate.load_suite(suite)
    mistakes.stop("assay gate contract")
    assert expectations is not None
    end(
        "contract", gate.judge(gate.measure(files=[data], suite=expectations)), watch, data=data, target=json, html=html
    )
