"""`assay gate contract`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Data, Target, end

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.policy.contract import Contract

PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        help="Policy file: what is done with bad rows, and the key; one that holds nothing but `gates:` will do.",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="Column that names a row, for the rows that are shown; else the policy's.", show_default=False),
]


@explained
def contract(
    data: Data,
    suite: Annotated[
        Path, typer.Option(help="Data contract: a Great Expectations suite in JSON or YAML.", show_default=False)
    ],
    json: Target,
    policy: PolicyFile = None,
    key: Key = None,
) -> None:
    """Hold a file to its data contract.

    Example: assay gate contract --data adult.parquet --suite contract.json --key person_id --json verdict.json
    """
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_target
    from assay.cli.progress import reporting
    from assay.core import Problem, Stopwatch, UserError, did_you_mean
    from assay.data.sources import column_names
    from assay.gates import contract as gate

    watch, mistakes, expectations, columns = Stopwatch(), Mistakes(), None, None
    part, policy_sha256, named = _policy(policy, mistakes)
    with mistakes.gathered():
        check_target(json, data, suite, *([policy] if policy else []))
    with mistakes.gathered():
        columns = column_names(data)
    with mistakes.gathered():
        expectations = gate.load_suite(suite)
    if key is not None and columns is not None and key not in columns:
        mistakes.add("--key", f'no column "{key}"', did_you_mean(key, columns))
    mistakes.stop("assay gate contract")
    assert expectations is not None
    assert columns is not None
    key = key or (named if named in columns else None)
    if key is None and part.on_bad_rows == "quarantine":
        mend = "name the column with --key" if named is None else f'the policy\'s "{named}" is not in the data'
        missing = Problem(path="--key", message="on_bad_rows: quarantine needs a key that names the rows", mend=mend)
        raise UserError("assay gate contract", [missing])
    with reporting() as report:
        evidence = gate.measure(files=[data], suite=expectations, policy=part, key=key, report=report)
    end("contract", gate.judge(evidence, part), watch, data=data, target=json, policy_sha256=policy_sha256)


def _policy(path: Path | None, mistakes: "Mistakes") -> "tuple[Contract, str | None, str | None]":
    """The gate's part of a policy, the file's digest, and the key that its data have."""
    import yaml

    from assay.policy import load_gates
    from assay.policy.contract import Contract

    part, policy_sha256, key = Contract(), None, None
    if path is not None:
        with mistakes.gathered():
            gates, policy_sha256 = load_gates(path)
            part = gates.contract or part
            key = (yaml.safe_load(path.read_bytes()).get("data") or {}).get("key")
    return part, policy_sha256, key
