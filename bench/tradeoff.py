"""What each way of mitigation gains in fairness on `income`, and what it costs in accuracy.

Every method is fitted on the training rows with the policy's seed and judged on the held-out rows by the
policy's own fairness gate: the model as trained as attempt 1, every other as attempt 2 with the paired
comparison, as in a run. Prints the table of docs/mitigation.md. Run: python bench/tradeoff.py [PICTURE.svg]
"""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from assay.core import Check, Judgement
from assay.data.features import encode, kinds, positives, training_frame
from assay.data.splits import holdout_mask
from assay.gates import fairness
from assay.policy import Constraint, Mitigation, Reweighing, Thresholds, load_folder
from assay.training.mitigation.fit import Mitigated, fit_mitigated
from assay.training.run import fit

FOLDER = Path(__file__).resolve().parents[1] / "include" / "models" / "income"
SEX = ["sex"]
WOMEN, MEN = {"sex": "Female"}, {"sex": "Male"}


def methods() -> Iterator[tuple[str, str, Mitigation]]:
    """Family, label and method of every point but the first."""
    yield "reweighing", "reweighing", Reweighing(method="reweighing", attributes=SEX)
    for gap in (0.14, 0.12, 0.10, 0.08, 0.05):
        constraint = Constraint(method="constraint", attributes=SEX, constraint="demographic_parity", max_gap=gap)
        yield "constraint", f"demographic parity, {gap:g}", constraint
    for gap in (0.14, 0.11, 0.08, 0.05):
        for awareness in ("blind", "aware"):
            thresholds = Thresholds(
                method="thresholds",
                awareness=awareness,  # type: ignore[arg-type]  # one of the two words
                target="demographic_parity",
                max_gap=gap,
                attributes=SEX,
                legal_note="a measurement, which decides nothing" if awareness == "aware" else None,
            )
            yield f"{awareness} thresholds", f"demographic parity, {gap:g}", thresholds
    odds: dict[str, Any] = {"attributes": SEX, "max_gap": 0.04}
    yield (
        "constraint",
        "equalized odds, 0.04",
        Constraint(method="constraint", constraint="equalized_odds", **odds),
    )
    aware = Thresholds(
        method="thresholds",
        awareness="aware",
        target="equalized_odds",
        legal_note="a measurement, which decides nothing",
        **odds,
    )
    yield "aware thresholds", "equalized odds, 0.04", aware


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model on the held-out rows."""

    family: str
    label: str
    gap: Check
    found: Check
    paid: Check | None
    women_less_men: float
    outcome: str
    accuracy: float
    auc: float
    brier: float
    models: int


def main() -> None:
    """Fit, judge, print, draw."""
    warnings.simplefilter("ignore")
    points = []
    with threadpool_limits(limits=1):  # as mitigation itself does
        for point in measured():
            print(row(point), file=sys.stderr, flush=True)
            points.append(point)
    heads = ["method", "goal", "selection gap", "TPR, women less men", "accuracy", "accuracy paid", "AUC", "Brier"]
    print(f"| {' | '.join([*heads, 'gate', 'models'])} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for point in points:
        print(row(point))
    if len(sys.argv) > 1:
        draw(points, Path(sys.argv[1]))


def measured() -> Iterator[Point]:
    """The model as trained, then every method."""
    folder = load_folder(FOLDER)
    policy, data = folder.policy, folder.policy.data
    table = pq.read_table(folder.source)
    held = holdout_mask(table[data.key], data.holdout)
    types = kinds(table.schema, data.features)
    seen, unseen = table.filter(~held), table.filter(held)
    known: dict[str, Any] = {
        "module": folder.train,
        "features": training_frame(seen, types),
        "label": pd.Series(positives(seen[data.label], data.positive).astype(int)),
        "seed": policy.training.seed,
        "parameters": policy.training.parameters,
    }
    frame, label = training_frame(unseen, types), positives(unseen[data.label], data.positive)
    groups = {name: encode(unseen[name], "text")[:, 0] for name in policy.gates.fairness.columns}
    trained = {name: encode(seen[name], "text")[:, 0] for name in SEX}

    def point(family: str, name: str, made: Mitigated, before: NDArray[np.bool_] | None) -> Point:
        score = np.asarray(made.pipeline.predict_proba(frame)[:, 1])
        columns = {column: values.reshape(-1, 1) for column, values in groups.items()}
        level = made.by_group.of(columns, plain=made.threshold) if made.by_group else made.threshold
        decided = np.asarray(score >= level)
        decisions[name] = decided
        evidence = fairness.measure(
            label=label, prediction=decided, groups=groups, policy=policy.gates.fairness, before=before
        )
        judged = fairness.judge(
            evidence, policy.gates.fairness, attempt=1 if before is None else 2, max_accuracy_loss=allowed(before)
        )
        return Point(
            family=family,
            label=name,
            gap=check(judged, "selection_rate_difference"),
            found=check(judged, "tpr_difference"),
            paid=None if before is None else check(judged, "accuracy_paid"),
            women_less_men=rate(judged, WOMEN) - rate(judged, MEN),
            outcome=judged.outcome.name,
            accuracy=float((decided == label).mean()),
            auc=float(roc_auc_score(label, score)),
            brier=float(brier_score_loss(label, score)),
            models=made.facts.get("models", 1),
        )

    def allowed(before: NDArray[np.bool_] | None) -> float | None:
        return None if before is None or policy.mitigation is None else policy.mitigation.max_accuracy_loss

    decisions: dict[str, NDArray[np.bool_]] = {}
    plain = Mitigated(pipeline=fit(**known), threshold=policy.training.threshold, by_group=None, facts={})
    yield point("as trained", "as trained", plain, None)
    for family, name, mitigation in methods():
        made = fit_mitigated(mitigation=mitigation, groups=trained, threshold=policy.training.threshold, **known)
        yield point(family, name, made, decisions["as trained"])


def check(judged: Judgement, name: str) -> Check:
    """The check of that name that compares the sexes, or everybody."""
    return next(
        each
        for each in judged.checks
        if each.name == name and all(set(group) <= {"sex"} for group in each.groups or ())
    )


def rate(judged: Judgement, group: dict[str, str]) -> float:
    """A group's true positive rate."""
    found = next(each for each in judged.groups if dict(each.group) == group).metrics["tpr"].estimate
    return np.nan if found is None else found


def row(point: Point) -> str:
    """A line of the table."""
    paid = "" if point.paid is None else told(point.paid, 4)
    cells = [point.family, point.label, told(point.gap, 3), f"{point.women_less_men:+.3f}", f"{point.accuracy:.4f}"]
    cells += [paid, f"{point.auc:.4f}", f"{point.brier:.4f}", point.outcome, str(point.models)]
    return f"| {' | '.join(cells)} |"


def told(found: Check, places: int) -> str:
    """Estimate and interval."""
    low, high = found.interval or (np.nan, np.nan)
    return f"{found.estimate:.{places}f} ({low:.{places}f} to {high:.{places}f})"


# Okabe and Ito's colours, which people with any colour vision tell apart; the shapes say the same again
LOOKS = {
    "as trained": ("#000000", "s"),
    "reweighing": ("#D55E00", "*"),
    "constraint": ("#0072B2", "o"),
    "blind thresholds": ("#E69F00", "v"),
    "aware thresholds": ("#009E73", "D"),
}


def draw(points: list[Point], target: Path) -> None:
    """Selection gap against accuracy paid, and against what happens to those who do earn more."""
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "assay", "font.size": 9})
    import matplotlib.pyplot as plt

    figure, (cost, turn) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    for family, (colour, shape) in LOOKS.items():
        here = [each for each in points if each.family == family]
        look = {"color": colour, "marker": shape, "linestyle": "none", "elinewidth": 0.8, "label": family}
        look["markersize"] = 13 if family == "reweighing" else 6
        gaps, around = spread([each.gap for each in here])
        paid, within = spread([each.paid for each in here])
        cost.errorbar(gaps, 100 * paid, xerr=around, yerr=100 * within, **look)
        reach = [(each.found.interval or (0, np.nan))[1] - (each.found.estimate or 0) for each in here]
        turn.errorbar(gaps, [each.women_less_men for each in here], xerr=around, yerr=reach, **look)
    limit = points[0].gap.limit
    for axes in (cost, turn):
        axes.axvline(limit.max if limit else np.nan, color="#666666", linestyle="--", linewidth=1)
        axes.set_xlabel("selection rate, largest less smallest of women and men")
        axes.set_xlim(0, 0.21)
        axes.grid(alpha=0.25)
    cost.axhline(0, color="#666666", linewidth=0.8)
    turn.axhline(0, color="#666666", linewidth=0.8)
    cost.set_ylabel("accuracy paid, percentage points")
    cost.set_title("Fairness gained against accuracy paid")
    turn.set_ylabel("true positive rate, women less men")
    turn.set_title("Who is found of those who earn more")
    for axes in (cost, turn):
        axes.annotate("limit", (limit.max if limit and limit.max else 0, 0.98), xycoords=("data", "axes fraction"),
                      xytext=(3, 0), textcoords="offset points", color="#444444", rotation=90, va="top")  # fmt: skip
    mark(cost, turn, points[0], "as trained")
    mark(cost, turn, next(each for each in points if each.family == "reweighing"), "chosen")
    figure.legend(*cost.get_legend_handles_labels(), loc="outside lower center", ncols=len(LOOKS), frameon=False)
    figure.savefig(target, metadata={"Date": None})


def spread(checks: list[Check | None]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates, and how far the intervals reach below and above; zeros for the model that is compared with."""
    estimates = np.array([0.0 if each is None else each.estimate for each in checks], dtype=float)
    ends = np.array([(0.0, 0.0) if each is None or each.interval is None else each.interval for each in checks])
    return estimates, np.abs(np.array([estimates - ends[:, 0], ends[:, 1] - estimates]))


def mark(cost: Any, turn: Any, point: Point, text: str) -> None:
    """Name a point in both pictures, below it."""
    paid = 0.0 if point.paid is None else 100 * (point.paid.estimate or 0.0)
    for axes, height in ((cost, paid), (turn, point.women_less_men)):
        axes.annotate(text, (point.gap.estimate, height), xytext=(-5, -16), textcoords="offset points", ha="right",
                      fontweight="bold")  # fmt: skip


if __name__ == "__main__":
    main()
