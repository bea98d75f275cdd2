"""Every command that README.md shows, run in its order in a copy of the repository, as a stranger would.

Left out, and why: `git clone` (the copy stands for it), `make test` (it is what runs this test), and
`docker compose` (no engine is needed or used by these tests; tests/test_compose.py reads its file).
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line]
NOT_RUN = ("git clone ", "make test", "docker compose ")
EXPECTED = {"assay gate fairness": 3, "assay try": 3}  # these examples are INCONCLUSIVE, as the README says

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Exit code and output of every command, by command."""
    clone = tmp_path_factory.mktemp("clone") / "assay"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASSAY_", "MLFLOW_"))
    }
    environment["PYTHONPATH"] = str(clone / "include")
    results = {}
    try:
        for command in COMMANDS:
            if not command.startswith(NOT_RUN):
                done = subprocess.run(
                    ["bash", "-c", command], cwd=clone, env=environment, capture_output=True, text=True, check=False
                )
                results[command] = (done.returncode, done.stdout, done.stderr)
        results["docs/gateway.md"] = ask_the_gateway(clone, environment)
    finally:
        subprocess.run(["bash", "-c", "make down"], cwd=clone, env=environment, capture_output=True, check=False)
    return clone, results


def ask_the_gateway(clone: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run docs/gateway.md's script as it stands, at the port where this gateway listens."""
    [script] = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "gateway.md").read_text(), re.MULTILINE | re.DOTALL)
    port = json.loads((clone / ".assay" / "stack.json").read_text())["ports"]["gateway"]
    script = "set -euo pipefail\n" + script.replace("http://127.0.0.1:8010", f"http://127.0.0.1:{port}")
    done = subprocess.run(
        ["bash", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def found(ran, part: str) -> tuple[int, str, str]:
    return next(result for command, result in ran[1].items() if part in command)


def test_every_command_ends_as_the_readme_says(ran):
    assert len(ran[1]) >= 8
    for command, (code, out, err) in ran[1].items():
        wanted = next((code for part, code in EXPECTED.items() if part in command), 0)
        assert code == wanted, f"{command}\n{out[-3000:]}\n{err[-3000:]}"


def test_the_demo_ends_with_the_version_that_serves(ran):
    _, out, _ = found(ran, "make demo")
    assert "income version 1" in out
    assert re.search(r"the gateway serves\W+version 1 \(", out)
    for role in ("model owner", "risk officer"):
        assert f"answered “Approve income version 1 as {role}?” with Approve (the demo speaks for this person)" in out


def test_the_evidence_is_there_to_be_asked(ran):
    assert "approved by reviewer (model owner), officer (risk officer)" in found(ran, "assay history income")[1]
    assert "Verified." in found(ran, "dossier verify")[1]
    assert "Everything agrees." in found(ran, "dossier replay")[1]
    assert "Nothing is out of order." in found(ran, "assay audit")[1]


def test_the_gateway_answers_as_its_page_says(ran):
    _, out, _ = found(ran, "docs/gateway.md")
    decoder, answers, rest = json.JSONDecoder(), [], out.strip()
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    readiness, deployment, scored, labelled = answers
    assert readiness["ready"]
    assert deployment["champion"]["version"] == 1
    assert [prediction["label"] for prediction in scored["predictions"]] == [">50K", "<=50K"]
    assert {row["version"] for row in scored["assay"]["rows"]} == {1}
    assert labelled == {"accepted": 2, "repeated": 0}


def test_no_password_is_in_what_a_log_would_keep(ran):
    secrets = json.loads((ran[0] / ".assay" / "secrets.json").read_text())
    everything = "".join(out + err for _, out, err in ran[1].values())
    for name, secret in secrets.items():
        assert secret not in everything, name


def test_what_is_written_is_where_the_readme_says(ran):
    clone, _ = ran
    assert json.loads((clone / "verdict.json").read_text())["outcome"] == "INCONCLUSIVE"
    assert json.loads(found(ran, "gate contract")[1])["outcome"] == "PASS"
    assert json.loads((clone / "try.json").read_text())["gates"]["robustness"]["outcome"] == "PASS"
    drafted = {path.name for path in (clone / "include" / "models" / "second").iterdir()}
    assert {"policy.yaml", "contract.json", "train.py", "datasheet.md"} <= drafted


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`make (\w+)`|^make (\w+)$", README, flags=re.MULTILINE))))
def test_every_target_exists(command):
    target = next(filter(None, command))
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
