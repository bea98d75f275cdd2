"""The plugin as Airflow loads it: its pages let nobody in whom Airflow does not know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.core.settings import PACKAGE

PLUGIN = PACKAGE.parents[1] / "plugins" / "assay_plugin.py"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the plugin's application answers in a process of its own: Airflow sets itself up when imported."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(home),
        "ASSAY_HOME": str(home),
        "ASSAY_MODELS": str(home / "models"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for this test only, and long enough",
    }
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("serve_plugin.py")), str(PLUGIN)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    return dict(line.split(" ", 1) for line in ran.stdout.splitlines() if " " in line)


def test_nobody_reads_without_signing_in(answers):
    assert answers["anonymous"] == " ".join(["401"] * 8)


def test_a_forged_token_is_refused(answers):
    assert answers["forged"] == "403"


def test_a_reader_sees_the_models_whose_dag_he_may_read(answers):
    assert answers["reader"] == "200 allowed=True refused=False"
    assert answers["asked"] == "retrain_allowed retrain_refused"
    assert answers["refused"] == "403"


def test_loading_the_plugin_loads_nothing_heavy(answers):
    assert answers["loaded"] == "nothing"
    assert float(answers["seconds"]) < 0.5  # 0.01 on a free machine; building the pages takes seconds


def test_its_place_in_the_navigation_is_a_page_that_it_serves(answers):
    prefix, href = answers["place"].split()
    assert href == f"{prefix.removeprefix('/')}/models"  # no leading slash: Airflow's own address may have a path
