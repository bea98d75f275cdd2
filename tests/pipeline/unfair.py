"""A model folder whose candidate is unfair as trained, and fair enough when its rows are reweighed."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.pipeline.support import POLICY, TRAIN, make_folder

BEFORE = ("snapshot", "data_validation", "training", "performance_gate")
MITIGATED = ("mitigation", "mitigated_performance_gate", "mitigated_fairness_gate")
ROWS = 4000
WEIGHTED = TRAIN.replace("*, seed, parameters)", "*, seed, parameters, weights=None)").replace(
    "features, label\n    )", "features, label, model__sample_weight=weights\n    )"
)


def unfair(seed=0):
    """Rows whose label favours one sex, through a word that gives the sex away."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], ROWS)
    x = rng.normal(size=ROWS)
    word = np.where(rng.random(ROWS) < 0.9, np.where(sex == "m", "a", "b"), "c")
    y = np.where(x + (sex == "m") + 1.5 * rng.normal(size=ROWS) > 0.8, "yes", "no")
    return pa.table({"id": np.arange(ROWS), "x": x, "word": word, "sex": sex, "y": y})


def unfair_folder(root, *, limit=0.22, **changes):
    """Of the one sex two fifths more are selected, and after reweighing a tenth; `changes` are the mitigation's."""
    fairness = {
        "groups": ["sex"], "min_group_size": 20,
        "checks": [{"metric": "selection_rate", "compare": "difference", "max": limit}],
    }  # fmt: skip
    folder = make_folder(
        root,
        gates={**POLICY["gates"], "fairness": fairness},
        mitigation={"method": "reweighing", "attributes": ["sex"], **changes},
    )
    (folder / "train.py").write_text(WEIGHTED)
    pq.write_table(unfair(), folder / "data.parquet")
    return folder
