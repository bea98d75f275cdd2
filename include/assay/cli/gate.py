"""`assay gate ...`: every gate on plain files, by the code that runs it in Airflow."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from assay.cli.errors import explained

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.core import Judgement, Stopwatch
    from assay.policy import Fairness, PartialGates
    from assay.training.onnx_model import Kind, OnnxModel

app = typer.Typer(
    no_args_is_help=True,
    help="Judge plain files by one gate. Exit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 ERROR, 2 wrong usage or input.",
)

Data = Annotated[Path, typer.Option(help="CSV or Parquet file with the rows to judge.", show_default=False)]
Label = Annotated[str, typer.Option(help="Column with what really happened.", show_default=False)]
Positive = Annotated[
    str | None,
    typer.Option(
        help="The class that counts as positive, as it is written in the label; 1 also means 1.0 and true. "
        "Without it the columns must hold 0/1 or true/false.",
        show_default=False,
    ),
]
PolicyFile = Annotated[
    Path,
    typer.Option("--policy", help="Policy file; one that holds nothing but `gates:` is enough.", show_default=False),
]
Seed = Annotated[int, typer.Option(min=0, help="Makes the random draws repeatable.")]
Target = Annotated[
    str,
    typer.Option(
        "--json",
        help="File for the verdict's JSON, written whole or not at all; - for standard output, "
        "where nothing else is then written (the table goes to standard error).",
        show_default=False,
    ),
]


@app.command()
@explained
def contract(
    data: Data,
    suite: Annotated[Path, typer.Option(help="Data contract: a Great Expectations suite in JSON.", show_default=False)],
    json: Target,
) -> None:
    """Hold a file to its data contract.

    Example: assay gate contract --data adult.parquet --suite contract.json --json verdict.json
    """
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_target
    from assay.core import Stopwatch
    from assay.data.sources import column_names
    from assay.gates import contract as gate

    watch, mistakes, expectations = Stopwatch(), Mistakes(), None
    with mistakes.gathered():
        check_target(json, data, suite)
    with mistakes.gathered():
        column_names(data)
    with mistakes.gathered():
        expectations = gate.load_suite(suite)
    mistakes.stop("assay gate contract")
    assert expectations is not None
    _end("contract", gate.judge(gate.measure(files=[data], suite=expectations)), watch, data=data, target=json)


@app.command()
@explained
def performance(
    data: Data,
    label: Label,
    score: Annotated[
        str, typer.Option(help="Column with the model's probability of the positive class.", show_default=False)
    ],
    policy: PolicyFile,
    json: Target,
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
    mistakes, gates, policy_sha256 = _begin(json, policy, "performance", data)
    rows = Rows(data, [name for name in (label, score, champion_score) if name is not None], mistakes)
    (actual,) = rows.positive([label], positive)
    scores = rows.probabilities(score)
    rival = None if champion_score is None else rows.probabilities(champion_score)
    mistakes.stop("assay gate performance")
    assert gates.performance is not None
    evidence = gate.measure(label=actual, score=scores, champion_score=rival, policy=gates.performance, seed=seed)
    judgement = gate.judge(evidence, gates.performance)
    _end("performance", judgement, watch, data=data, target=json, policy_sha256=policy_sha256)


@app.command()
@explained
def fairness(
    data: Data,
    label: Label,
    policy: PolicyFile,
    json: Target,
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
) -> None:
    """Compare a model's decisions and scores between groups of people.

    Example: assay gate fairness --data holdout.csv --label income --prediction predicted
    --positive ">50K" --groups "sex,race,sex*race" --policy policy.yaml --json verdict.json
    """
    from assay.cli.inputs import Rows
    from assay.core import Stopwatch
    from assay.gates import fairness as gate

    watch = Stopwatch()
    mistakes, gates, policy_sha256 = _begin(json, policy, "fairness", data)
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
    _end("fairness", gate.judge(evidence, part), watch, data=data, target=json, policy_sha256=policy_sha256)


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
    kept = {  # what the policy says of columns that are not compared by here has no say
        "reference": {name: value for name, value in part.reference.items() if name in grouped},
        "edges": {name: edges for name, edges in part.edges.items() if name in {*grouped, *part.strata}},
    }
    try:
        part = Fairness(**{**dict(part), **kept, "groups": wanted})
    except ValidationError as error:
        for each in error.errors():
            mistakes.add("--groups", each["msg"].removeprefix("Value error, "))
    return part, part.columns


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


@app.command()
@explained
def robustness(
    model: Annotated[Path, typer.Option(help="ONNX file that Assay exported.", show_default=False)],
    data: Data,
    label: Label,
    policy: PolicyFile,
    json: Target,
    positive: Annotated[
        str | None,
        typer.Option(
            help="The class that counts as positive. Without it, the one that the model names.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
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
    mistakes, gates, policy_sha256 = _begin(json, policy, "robustness", data, model)
    onnx, features, own = _model(model, mistakes)
    rows = Rows(data, [label, *features], mistakes)
    (actual,) = rows.positive([label], own if positive is None else positive)
    columns = {}
    with mistakes.gathered():
        columns = {} if rows.table is None else model_inputs(rows.table, features)
    mistakes.stop("assay gate robustness")
    assert gates.robustness is not None
    evidence = gate.measure(score=onnx.score, inputs=columns, label=actual, policy=gates.robustness, seed=seed)
    judgement = gate.judge(evidence, gates.robustness)
    _end("robustness", judgement, watch, data=data, target=json, policy_sha256=policy_sha256, model=onnx.digest)


def _begin(target: str, policy: Path, gate: str, *inputs: Path) -> "tuple[Mistakes, PartialGates, str | None]":
    """Look at the target and the policy; what is wrong with them is kept for the one message."""
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_target
    from assay.policy import PartialGates, load_gates

    mistakes, gates, policy_sha256 = Mistakes(), PartialGates(), None
    with mistakes.gathered():
        check_target(target, policy, *inputs)
    with mistakes.gathered():
        gates, policy_sha256 = load_gates(policy)
        if getattr(gates, gate) is None:
            mistakes.add(f"gates.{gate}", f"is missing in {policy}", "write the gate's part of the policy")
    return mistakes, gates, policy_sha256


def _model(path: Path, mistakes: "Mistakes") -> "tuple[OnnxModel, dict[str, Kind], str | None]":
    """The model, its features and its positive class; without the latter two when it cannot be read."""
    from assay.training.onnx_model import OnnxModel

    model, own = OnnxModel(b""), None
    features: dict[str, Kind] = {}
    try:
        model = OnnxModel(path.read_bytes())
    except OSError as error:
        mistakes.add(str(path), f"cannot be read: {error.strerror}")
        return model, features, own
    with mistakes.gathered():
        own = model.classes[1]  # a model without Assay's metadata stops here
        features = model.inputs
    return model, features, own


def _end(
    gate: str,
    judgement: "Judgement",
    watch: "Stopwatch",
    *,
    data: Path,
    target: str,
    policy_sha256: str | None = None,
    model: str | None = None,
) -> NoReturn:
    """Bind the judgement to what it was about, and answer."""
    from assay.cli.output import answer
    from assay.core import Subject, bind, code_version, sha256_file

    snapshot = f"sha256:{sha256_file(data)}"
    subject = Subject(model=model, policy_sha256=policy_sha256, snapshot=snapshot, code_version=code_version())
    answer(bind(gate, judgement, subject, watch), target)
