"""`assay gate robustness`."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Attempt, Data, Label, Page, PolicyFile, Seed, Target, begin, end
from assay.cli.gate.model import read_model


@explained
def robustness(
    model: Annotated[Path, typer.Option(help="ONNX file that Assay exported.", show_default=False)],
    data: Data,
    label: Label,
    policy: PolicyFile,
    json: Target,
    html: Page = None,
    positive: Annotated[
        str | None,
        typer.Option(
            help="The class that counts as positive. Without it, the one that the model names.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    attempt: Attempt = 1,
) -> None:
    """Damage a model's inputs and see how far its metrics fall.

    Example: assay gate robustness --model model.onnx --data holdout.parquet --label income
    --policy policy.yaml --json verdict.json
    """
    from assay.cli.inputs import Rows
    from assay.core import Stopwatch
    from assay.data.features import model_inputs
    from assay.gates import robustness as gate

    watch = Stopwatch()
    mistakes, gates, policy_sha256 = begin(json, policy, "robustness", data, model, html=html)
    onnx, features, own = read_model(model, mistakes)
    rows = Rows(data, [label, *features], mistakes)
    (actual,) = rows.positive([label], own if positive is None else positive)
    columns = {}
    with mistakes.gathered():
        columns = {} if rows.table is None else model_inputs(rows.table, features)
    mistakes.stop("assay gate robustness")
    assert gates.robustness is not None
    evidence = gate.measure(score=onnx.score, inputs=columns, label=actual, policy=gates.robustness, seed=seed)
    judgement = gate.judge(evidence, gates.robustness, attempt=attempt)
    end(
        "robustness",
        judgement,
        watch,
        data=data,
        target=json,
        html=html,
        policy_sha256=policy_sha256,
        model=onnx.digest,
    )
