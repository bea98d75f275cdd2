"""What a team's train.py uses works in a box: numerical libraries with several threads and processes, subprocesses."""

import pytest
from tests.isolation.support import WORKING, programmed

SOURCE = """
import warnings
import numpy as np, pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

def worker():
    time.sleep(1)
    return os.getpid()


draw = np.random.default_rng(0)
features = pd.DataFrame({"x": draw.normal(size=200), "y": draw.normal(size=200)})
label = (features["x"] > 0).astype(int)
forest = RandomForestClassifier(n_estimators=4, n_jobs=2, random_state=0).fit(features, label)
search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_jobs=2, cv=2).fit(features, label)
boosted = HistGradientBoostingClassifier(max_iter=3).fit(features, label)
answer = {
    "scores": [float(each.score(features, label)) for each in (forest, search, boosted)],
    "products": float((np.ones((300, 300)) @ np.ones((300, 300))).sum()),
    "workers": effective_n_jobs(2),
    "processes": len(set(Parallel(n_jobs=2)(delayed(worker)() for _ in range(2)))),
    "python": subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout,
    "shell": subprocess.run("echo $HOME", shell=True, capture_output=True, text=True).stdout.strip() == os.getcwd(),
    "temporary": os.path.dirname(__import__("tempfile").mkdtemp()) == os.getcwd(),
    "memory-mapped": int(np.memmap("m", dtype="i4", mode="w+", shape=(4,)).sum()),
}
"""


@pytest.mark.parametrize("level", WORKING)
def test_numerical_libraries_and_subprocesses_work(tmp_path, monkeypatch, level):
    lines = []
    with programmed(tmp_path, monkeypatch, level, log=lines.append, limits={"memory_bytes": 4 * 2**30}) as run:
        found = run(SOURCE)
    assert all(score > 0.8 for score in found["scores"])
    assert (found["products"], found["python"], found["memory-mapped"]) == (27_000_000, "42\n", 0)
    assert found["shell"]
    assert found["temporary"]
    # joblib's processes need semaphores in /dev/shm, which only a namespace has of its own
    several = level == "namespaces"
    assert (found["workers"], found["processes"] > 1) == ((2, True) if several else (1, False))
    assert not lines, "\n".join(lines)
