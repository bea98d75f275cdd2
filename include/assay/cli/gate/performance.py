"""`assay gate performance`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Attempt, Data, Label, Page, PolicyFile, Positive, Seed, Target, Threshold, begin, end
from assay.cli.gate.model import read_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.cli.inputs import Mistakes, Rows
    from assay.policy import Performance
    from assay.training.onnx_model import Kind

_DECIDED = "name the column with the decisions, or the score from which on it decides for the positive class"


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
    prediction: Annotated[
        str | None,
        typer.Option(
            help="Column with what the model decided, in the label's words; this or --threshold where the policy has "
            "checks on decisions.",
            show_default=False,
        ),
    ] = None,
    threshold: Threshold = None,
    champion_score: Annotated[
        str | None,
        typer.Option(
            help="Column with the champion's probability on the same rows; turns on the policy's champion checks.",
            show_default=False,
        ),
    ] = None,
    champion_prediction: Annotated[
        str | None,
        typer.Option(
            help="Column with what the champion decided; this or --champion-threshold where decisions are compared.",
            show_default=False,
        ),
    ] = None,
    champion_threshold: Threshold = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="ONNX file that Assay exported: what budgets of latency and size are about. Its features are read "
            "from the data.",
            show_default=False,
        ),
    ] = None,
    positive: Positive = None,
    seed: Seed = 0,
    attempt: Attempt = 1,
) -> None:
    """Judge a model's scores and decisions against the label, and against the champion's.

    Example: assay gate performance --data holdout.csv --label income --positive ">50K" --score p
    --threshold 0.5 --policy policy.yaml --json verdict.json
    """
    from assay.cli.inputs import Rows
    from assay.core import Stopwatch
    from assay.gates import performance as gate

    watch = Stopwatch()
    mistakes, gates, policy_sha256 = begin(json, policy, "performance", data, *[model] if model else [], html=html)
    part = gates.performance
    onnx, features, own = read_model(model, mistakes) if model is not None else (None, {}, None)
    sides = (("", score, prediction, threshold), ("champion-", champion_score, champion_prediction, champion_threshold))
    _wanted(part, sides, mistakes, model)
    for option, name in (("prediction", prediction), ("champion-prediction", champion_prediction)):
        if name == label:
            mend = "name the column with the model's decisions"
            mistakes.add(f"--{option}", f'is the label "{label}" itself', mend)
    named = [label, score, champion_score, prediction, champion_prediction, *features, *(part.columns if part else [])]
    rows = Rows(data, list(dict.fromkeys(name for name in named if name is not None)), mistakes)
    decided = [name for name in (prediction, champion_prediction) if name is not None]
    actual, *columns = rows.positive([label, *decided], own if positive is None else positive, both=True)
    decisions = dict(zip(decided, columns, strict=True))
    scores = rows.probabilities(score)
    rival = None if champion_score is None else rows.probabilities(champion_score)
    slices = rows.groups(part.slice_columns if part is not None else [])
    inputs = _inputs(rows, features, part, mistakes)
    if part is not None and rows.table is not None:
        with mistakes.gathered():
            gate.require_slices({**inputs, **slices}, part)
    mistakes.stop("assay gate performance")
    assert part is not None
    evidence = gate.measure(
        label=actual,
        score=scores,
        champion_score=rival,
        policy=part,
        seed=seed,
        prediction=_decisions(scores, decisions.get(prediction or ""), threshold),
        champion_prediction=_decisions(rival, decisions.get(champion_prediction or ""), champion_threshold),
        columns=slices,
        inputs=inputs,
        model=None if onnx is None else lambda asked: onnx.decide(asked, onnx.score(asked)),
        size=None if onnx is None else len(onnx.content),
    )
    end(
        "performance",
        gate.judge(evidence, part, attempt=attempt),
        watch,
        data=data,
        target=json,
        html=html,
        policy_sha256=policy_sha256,
        model=None if onnx is None else onnx.digest,
    )


def _wanted(
    part: "Performance | None",
    sides: tuple[tuple[str, str | None, str | None, float | None], ...],
    mistakes: "Mistakes",
    model: Path | None,
) -> None:
    """Options that the policy needs, that exclude each other, or that need others."""
    needed = (part is not None and part.decides, part is not None and part.compares_decisions)
    for (side, score, prediction, threshold), wants in zip(sides, needed, strict=True):
        given = (prediction is not None) + (threshold is not None)
        if given == 2:
            mistakes.add(f"--{side}prediction", f"and --{side}threshold exclude each other", _DECIDED)
        if given and score is None:
            mistakes.add(f"--{side}score", "is missing", f"name the column with the {side.rstrip('-')}'s probabilities")
        if not given and wants and score is not None:
            mistakes.add(f"--{side}prediction", "is missing, and the policy has checks on decisions", _DECIDED)
    if part is not None and part.timed and model is None:
        budgets = " and ".join(filter(None, ["latency" if part.latency else "", "size" if part.size_mb else ""]))
        mistakes.add("--model", f"is missing, and the policy has a budget of {budgets}", "give the ONNX file")
    if part is not None and part.weak_slices is not None and part.weak_slices.columns is None and model is None:
        mend = "name them in the policy, or give --model: then they are its features"
        mistakes.add("gates.performance.weak_slices.columns", "which columns to look in is not said", mend)


def _inputs(
    rows: "Rows", features: "Mapping[str, Kind]", part: "Performance | None", mistakes: "Mistakes"
) -> "dict[str, NDArray[Any]]":
    """The model's features, and what weak slices are looked for in, numbers as numbers."""
    from assay.data.features import kinds, model_inputs

    looked = [] if part is None or part.weak_slices is None else part.weak_slices.columns or []
    found: dict[str, NDArray[Any]] = {}
    if rows.table is not None:
        with mistakes.gathered():
            more = kinds(rows.table.schema, [name for name in looked if name not in features])
            found = model_inputs(rows.table, {**features, **more})
    return found


def _decisions(
    score: "NDArray[np.float64] | None", decided: "NDArray[np.bool_] | None", threshold: float | None
) -> "NDArray[np.bool_] | None":
    if decided is not None or score is None or threshold is None:
        return decided
    found: NDArray[np.bool_] = score >= threshold
    return found
