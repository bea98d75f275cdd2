"""The performance gate beside a bootstrap of the rows, and beside scikit-learn's point estimates alone.

500,000 rows, the checks of the income policy, with a champion on the same rows. The bootstrap is what it
takes to have the same standard errors by resampling: each draw takes rows with replacement and asks
scikit-learn for each metric of both models (calibration error in numpy). Ten draws are measured and
scaled to 1,000: ``points + 100 * (ten draws)``. All in one run, on one core. Run: python bench/performance.py [ROWS]
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from assay.gates.performance import judge, measure
from assay.policy import Performance

MEASURED, DRAWS, BINS = 10, 1000, 15
POLICY = Performance.model_validate(
    {
        "checks": [
            {"metric": "auc", "min": 0.9},
            {"metric": "log_loss", "max": 0.32},
            {"metric": "brier", "max": 0.105},
            {"metric": "ece", "max": 0.03},
        ],
        "champion": [{"metric": "auc", "margin": 0.01}, {"metric": "brier", "margin": 0.005}],
    }
)


def ece(label: Any, score: Any) -> float:
    """The mean gap between score and outcome over 15 bins of equal width."""
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(place, label - score, BINS)).sum() / len(label))


def points(label: Any, score: Any, champion: Any) -> list[float]:
    """What the checks are about, without any error."""
    return [
        roc_auc_score(label, score),
        log_loss(label, score),
        brier_score_loss(label, score),
        ece(label, score),
        roc_auc_score(label, champion) - roc_auc_score(label, score),
        brier_score_loss(label, score) - brier_score_loss(label, champion),
    ]


def bootstrap(label: Any, score: Any, champion: Any, draws: int) -> Any:
    """The standard deviations of the same quantities over samples of the rows."""
    random, found = np.random.default_rng(0), []
    for _ in range(draws):
        rows = random.integers(len(label), size=len(label))
        found.append(points(label[rows], score[rows], champion[rows]))
    return np.std(found, axis=0, ddof=1)


def seconds(run: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(rows: int = 500_000, repeats: int = 5) -> None:
    """Measure all three, and say by the exit code whether the gate is no slower than the point estimates."""
    random = np.random.default_rng(0)
    logit = random.normal(-1, 1.5, rows)
    label = random.random(rows) < 1 / (1 + np.exp(-logit))
    score, champion = (1 / (1 + np.exp(-(logit + random.normal(0, noise, rows)))) for noise in (0.3, 0.5))

    def ours() -> Any:
        evidence = measure(label=label, score=score, champion_score=champion, policy=POLICY, seed=0)
        return judge(evidence, POLICY)

    judged = ours()  # imports
    assert np.allclose([check.estimate for check in judged.checks], points(label, score, champion), atol=1e-9)
    mine = statistics.median(seconds(ours) for _ in range(repeats))
    bare = statistics.median(seconds(lambda: points(label, score, champion)) for _ in range(repeats))
    drawn = seconds(lambda: bootstrap(label, score, champion, MEASURED))
    scaled = bare + drawn * DRAWS / MEASURED
    print(f"{rows:,} rows, {len(POLICY.checks)} checks and {len(POLICY.champion)} beside a champion")
    print(f"assay, every interval                  {mine:10.3f} s (median of {repeats})")
    print(f"scikit-learn, point estimates alone    {bare:10.3f} s (median of {repeats}): {bare / mine:.1f} times")
    print(f"bootstrap of the rows, {MEASURED} draws        {drawn:10.3f} s")
    print(f"bootstrap, scaled to {DRAWS:,} draws      {scaled:10.0f} s: {scaled / mine:,.0f} times")
    sys.exit(0 if bare >= mine else 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
