"""`assay gate performance`."""

from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Data, Label, Page, PolicyFile, Positive, Seed, Target, begin, end


@explained
def performance(
    data: Data,
    label: Label,
    score: Annotated[
        str, typer.Option(help="Column with the model's probability of the positive class.", show_default=False)
    ],
    policy: PolicyFile,
    json: Target,
    html: Page = None,
    champion_score: Annotated[
        str | None,
        typer.Option(
            help="Column with the champion's probability on the same rows; turns on the policy's champion checks.",
            show_default=False,
        ),
    ] = None,
    positive: Positive = None,
    seed: Seed = 0,
) -> None:
    """Judge a model's scores against the label, and against the champion's scores.

    Example: assay gate performance --data holdout.csv --label income --positive ">50K" --score p
    --policy policy.yaml --json verdict.json
    """
    from assay.cli.inputs import Rows
    from assay.core import Stopwatch
    from assay.gates import performance as gate

    watch = Stopwatch()
    mistakes, gates, policy_sha256 = begin(json, policy, "performance", data, html=html)
    rows = Rows(data, [name for name in (label, score, champion_score) if name is not None], mistakes)
    (actual,) = rows.positive([label], positive)
    scores = rows.probabilities(score)
    rival = None if champion_score is None else rows.probabilities(champion_score)
    mistakes.stop("assay gate performance")
    assert gates.performance is not None
    evidence = gate.measure(label=actual, score=scores, champion_score=rival, policy=gates.performance, seed=seed)
    judgement = gate.judge(evidence, gates.performance)
    end("performance", judgement, watch, data=data, target=json, html=html, policy_sha256=policy_sha256)
