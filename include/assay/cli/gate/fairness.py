"""`assay gate fairness`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Attempt, Data, Label, Page, PolicyFile, Positive, Target, Threshold, begin, end

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.cli.inputs import Mistakes, Rows
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
    threshold: Threshold = None,
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
    part, by = _grouped(_worded(gates.fairness), groups, mistakes)
    _decided_how(label, prediction, score, threshold, mistakes)
    for name in (each for each in by if each in (label, prediction)):
        mistakes.add("--groups", f'"{name}" is what is judged, and makes no groups', "name columns about people")
    _out_of_place({"--positive": positive, "--score": score, "--threshold": threshold}, part, mistakes)
    by = _uncrowded(data, by, part, mistakes)
    numeric = part is not None and part.numeric
    named = [name for name in (label, prediction, score, weights, *by) if name is not None]
    rows = Rows(data, named, mistakes, counted=score is None and weights is None and not numeric)
    targets = [label] if prediction is None else [label, prediction]
    actual, *decided = _targets(rows, targets, positive, part, mistakes)
    scores = None if score is None else rows.probabilities(score)
    weighed = None if weights is None else rows.weights(weights)
    columns = rows.groups(by)
    _refused(columns, part, mistakes)
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


def _worded(part: "Fairness | None") -> "Fairness | None":
    """The policy's part with its classes written as the columns' are read."""
    from assay.cli.inputs import word

    if part is None or part.classes is None:
        return part
    return part.model_copy(update={"classes": [word(each) for each in part.classes]})


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


def _out_of_place(given: Mapping[str, object], part: "Fairness | None", mistakes: "Mistakes") -> None:
    """Refuse options that are about two classes where the policy's labels are other."""
    if part is None or not (part.numeric or part.classes is not None):
        return
    what = "the policy's metrics are those of numbers" if part.numeric else "the policy declares classes"
    for option, value in given.items():
        if value is not None:
            mistakes.add(option, f"is for two classes, and {what}", "leave it out")


def _uncrowded(data: Path, by: Sequence[str], part: "Fairness | None", mistakes: "Mistakes") -> Sequence[str]:
    """The group columns without those that plainly have too many values: counting by such would take all memory."""
    import pyarrow as pa

    from assay.data.sources import glimpse
    from assay.gates.fairness import MOST_VALUES, too_many_values

    whole = [name for name in by if part is None or name not in part.edges]
    seen = None
    with mistakes.gathered():
        seen = glimpse(data, whole)
    if seen is None:
        return by
    flat = [name for name in whole if not pa.types.is_nested(seen.schema.field(name).type)]
    crowded = [name for name in flat if len(seen[name].unique()) > MOST_VALUES]
    mistakes.found += [too_many_values(name, f"more than {MOST_VALUES}") for name in crowded]
    return [name for name in by if name not in crowded]


def _targets(
    rows: "Rows", columns: Sequence[str], positive: str | None, part: "Fairness | None", mistakes: "Mistakes"
) -> "list[NDArray[Any]]":
    """Label and prediction, as the policy's metrics need them; as they are where no policy says what they are."""
    from assay.gates.fairness import wrong_targets

    if part is None and positive is None:
        return [*rows.classes(columns)]
    if part is None or not (part.numeric or part.classes is not None):
        return [*rows.positive(columns, positive, both=True)]
    found = [rows.numbers(name) for name in columns] if part.numeric else rows.classes(columns)
    if not part.numeric and len(found) == 2:
        mistakes.found += wrong_targets(found[0], found[1], part, (columns[0], columns[1]))
    return found


def _refused(columns: "Mapping[str, NDArray[Any]]", part: "Fairness | None", mistakes: "Mistakes") -> None:
    """Keep what is wrong with the group columns that were read; why others were not, has been said."""
    from assay.core import UserError
    from assay.gates.fairness import crowded, require_groups

    if part is None:
        mistakes.found += crowded(columns)
        return
    try:
        require_groups(columns, part)
    except UserError as error:
        mistakes.found += [each for each in error.problems if each.path in columns or each.path not in part.columns]
