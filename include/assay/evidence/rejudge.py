"""Judge again what a folder holds: the one thing that a later Assay asks of an earlier one.

``python -m assay.evidence.rejudge FOLDER`` reads `case.json` and the files beside it and writes
`answer.json`. A later version runs this module out of a dossier's own archive of the code, so the
form of the two files must stay what it is.

case.json
    ``snapshots`` (folder or URL), ``snapshot`` (id), ``seed``, ``gates`` (names), ``champion`` (version or
    null), ``train`` (whether to train again), ``attempts`` (gate to its attempt on the snapshot),
    ``mitigated`` (whether mitigation made the model), ``reference`` (id of the champion's snapshot, or
    null), ``lost`` (why there is no reference, or empty), ``history`` (of earlier snapshots) and
    ``taken_at`` (when the run's taking read the rows) and ``quarantine`` (what was set aside then, as the
    run's record of its snapshot says, or null). Beside it: policy.yaml, contract.json, train.py,
    model.onnx, champion.onnx where there is a champion, before.onnx where mitigation began from it, and the
    folder ``files`` with the files of the model's folder: all that training may read.
answer.json
    ``code`` (digest of Assay's Python files), ``verdicts`` (gate to verdict) and ``onnx_sha256`` (of
    the bytes that training made, or null).
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core import (
    AssayError,
    Stopwatch,
    Subject,
    Verdict,
    bind,
    canonical_json,
    code_version,
    sha256_bytes,
)
from assay.evidence.course import BEFORE_TRAINING
from assay.evidence.judging import Case, broken, judge_gate
from assay.evidence.training import train
from assay.policy import code_files, file_digests, read_model_files

if TYPE_CHECKING:
    from assay.data.snapshots import Snapshot


CASE, ANSWER, POLICY, CONTRACT, TRAIN, MODEL, CHAMPION, BEFORE = (
    "case.json", "answer.json", "policy.yaml", "contract.json", "train.py", "model.onnx", "champion.onnx",
    "before.onnx",
)  # fmt: skip
FILES = "files"

Progress = Callable[[str], None]


def rejudge(folder: Path, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Judge, and train if asked, what a folder holds; see the module for its form.

    Parameters
    ----------
    folder
        Named like the model.
    progress
        Told what is done next.

    Raises
    ------
    UserError
        When policy or snapshot cannot be read, or training fails. A gate that breaks has the outcome
        ERROR, as it would have had in a run.
    """
    asked = json.loads((folder / CASE).read_bytes())
    case = _case(folder, asked)
    files = read_model_files(folder / FILES)
    subject = Subject(
        model=None if case.onnx is None else case.onnx.digest,
        policy_sha256=sha256_bytes((folder / POLICY).read_bytes()),
        snapshot=case.snapshot.id,
        code_version=code_version(file_digests(code_files(files))),
    )
    verdicts = {}
    for gate in asked["gates"]:
        progress(f"judging {gate} again")
        about = replace(subject, model=None) if gate in BEFORE_TRAINING else subject
        verdicts[gate] = judge(case, gate, about).to_dict()
    made = None
    if asked["train"]:
        progress("training again")
        made = sha256_bytes(train(case, files, mitigated=asked["mitigated"]).onnx)
    return {"code": code_version(), "verdicts": verdicts, "onnx_sha256": made}


def judge(case: Case, gate: str, subject: Subject) -> Verdict:
    """A gate's verdict on a case; ERROR, with the reason, when it cannot be measured."""
    watch = Stopwatch()
    try:
        judgement = judge_gate(case, gate)
    except AssayError as error:
        judgement = broken(gate, str(error))
    except Exception as error:  # as in a run: whatever broke is the gate's answer
        judgement = broken(gate, f"{type(error).__name__}: {error}")
    return bind(gate, judgement, subject, watch)


def _case(folder: Path, asked: dict[str, Any]) -> Case:
    from assay.data.quarantine import Sifted
    from assay.data.snapshots import open_snapshot
    from assay.policy import parse_policy
    from assay.training.onnx_model import OnnxModel

    policy = parse_policy((folder / POLICY).read_bytes(), POLICY)
    version, before, told = asked["champion"], folder / BEFORE, asked["quarantine"]

    def opened(snapshot_id: str) -> "Snapshot":
        return open_snapshot(root=asked["snapshots"], model=policy.model, snapshot_id=snapshot_id)

    return Case(
        policy=policy,
        contract=folder / CONTRACT,
        snapshot=opened(asked["snapshot"]),
        reference=None if asked["reference"] is None else opened(asked["reference"]),
        history=asked["history"],
        taken_at=datetime.fromisoformat(asked["taken_at"]),
        lost=asked["lost"],
        sifted=None if told is None else Sifted.of(told, root=asked["snapshots"], model=policy.model),
        seed=asked["seed"],
        onnx=OnnxModel((folder / MODEL).read_bytes()),
        champion=None if version is None else (version, OnnxModel((folder / CHAMPION).read_bytes())),
        before=OnnxModel(before.read_bytes()) if before.exists() else None,
        attempts=asked["attempts"],
    )


def main() -> None:
    """Answer for the folder that is named; what cannot be answered goes to standard error."""
    folder = Path(sys.argv[1])
    try:
        answer = rejudge(folder)
    except AssayError as error:
        sys.exit(str(error))
    (folder / ANSWER).write_bytes(canonical_json(answer))


if __name__ == "__main__":
    main()
