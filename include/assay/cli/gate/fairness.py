"""`assay gate fairness`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Attempt, Data, Label, Page, PolicyFile, Positive, Target, begin, end

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.policy import Fairness, FairnessCheck


@explained
def fairness(
    data: Data,
    label: Label,
    policy: PolicyFile,
    json: Target,
    html: Page = None,
    prediction: Annotated[
        str | None,
        typer.Option(
            help="Column with what the model decided, in the label's words; or else give --score and --threshold.",
            show_default=False,
        ),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            help="Column with the probability of the positive class: what auc, brier, log_loss and ece are made of.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="The score from which on the model decides for the positive class.", show_default=False
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Column with how much each row counts (survey weights).", show_default=False)
    ] = None,
    positive: Positive = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Columns to compare by, as A,B,A*B (A*B: every combination), in place of the policy's.",
            show_default=False,
        ),
    ] = None,
    attempt: Attempt = 1,
) -> None:
    """Compare a model's decisions and scores between groups of people.

    Example: assay gate fairness --data holdout.csv --label income --prediction predicted
    --positive ">50K" --groups "sex,race,sex*race" --policy policy.yaml --json verdict.json
    """
    from assay.cli.inputs import Rows
    from assay.core import Stopwatch
    from assay.gates import fairness as gate

    watch = Stopwatch()
    mistakes, gates, policy_sha256 = begin(json, policy, "fairness", data, html=html)
    part, by = _grouped(gates.fairness, groups, mistakes)
    _decided_how(label, prediction, score, threshold, mistakes)
    named = [name for name in (label, prediction, score, weights, *by) if name is not None]
    rows = Rows(data, named, mistakes, counted=score is None and weights is None)
    actual, *decided = rows.positive([label] if prediction is None else [label, prediction], positive)
    scores = None if score is None else rows.probabilities(score)
    weighed = None if weights is None else rows.weights(weights)
    columns = rows.groups(by)
    if part is not None and part.scored and scores is None:
        mistakes.add("--score", "is missing, and the policy has checks on scores", "name the column with them")
    mistakes.stop("assay gate fairness")
    assert part is not None
    if threshold is not None:
        assert scores is not None
        decided = [scores >= threshold]
    evidence = gate.measure(
        label=actual,
        prediction=decided[0],
        groups=columns,
        policy=part,
        score=scores,
        weights=weighed,
        times=rows.times,
    )
    judgement = gate.judge(evidence, part, attempt=attempt)
    end("fairness", judgement, watch, data=data, target=json, html=html, policy_sha256=policy_sha256)


def _grouped(
    part: "Fairness | None", groups: str | None, mistakes: "Mistakes"
) -> "tuple[Fairness | None, Sequence[str]]":
    """The policy's part with the command's groups in place of its own, and the columns that it compares by."""
    from pydantic import ValidationError

    from assay.cli.inputs import parse_groups
    from assay.policy import Fairness

    wanted = parse_groups(groups, mistakes) if groups is not None else []
    grouped = dict.fromkeys(name for entry in wanted for name in ([entry] if isinstance(entry, str) else entry))
    if part is None or not wanted:
        return part, [*grouped] if part is None else part.columns
    given = [frozenset([entry] if isinstance(entry, str) else entry) for entry in wanted]
    kept = {  # what the policy says of columns that are not compared by here has no say
        "reference": {name: value for name, value in part.reference.items() if name in grouped},
        "edges": {name: edges for name, edges in part.edges.items() if name in {*grouped, *part.strata}},
        "checks": [each for check in part.checks if (each := _narrowed(check, given)) is not None],
    }
    try:
        part = Fairness(**{**dict(part), **kept, "groups": wanted})
    except ValidationError as error:
        for detail in error.errors():
            mistakes.add("--groups", detail["msg"].removeprefix("Value error, "))
    return part, part.columns


def _narrowed(check: "FairnessCheck", given: "Sequence[frozenset[str]]") -> "FairnessCheck | None":
    """The check, made for those of its own groups that are given; None when none of them is."""
    if check.groups is None:
        return check
    kept = [entry for entry in check.groups if frozenset([entry] if isinstance(entry, str) else entry) in given]
    return check.model_copy(update={"groups": kept}) if kept else None


def _decided_how(
    label: str, prediction: str | None, score: str | None, threshold: float | None, mistakes: "Mistakes"
) -> None:
    if prediction == label:
        mistakes.add("--prediction", f'is the label "{label}" itself', "name the column with the model's decisions")
    if (prediction is None) == (threshold is None):
        mend = "the decisions are either a column or the scores from a threshold on"
        mistakes.add("--prediction", "is needed, or --threshold in its place; not both", mend)
    if threshold is not None and score is None:
        mistakes.add("--threshold", "needs --score", "name the column with the probabilities")
