"""`assay gate contract`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.errors import explained
from assay.cli.gate.common import Data, Page, Target, end
from assay.cli.gate.trial import self_test

if TYPE_CHECKING:
    from assay.cli.inputs import Mistakes
    from assay.policy import Data as DataPart
    from assay.policy.contract import Contract
    from assay.policy.fairness import Fairness

PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        help="Policy file: limits, what is done with bad rows, and with `data:` what the columns are for; one that "
        "holds nothing but `gates:` will do.",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="Column that names a row, for the rows that are shown; else the policy's.", show_default=False),
]
Suite = Annotated[
    Path | None,
    typer.Option(
        help="Data contract: a Great Expectations suite in JSON or YAML; without it, the built-in checks alone.",
        show_default=False,
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(help="CSV or Parquet file to compare with: what the champion was made from.", show_default=False),
]
SelfTest = Annotated[
    bool,
    typer.Option(
        "--self-test",
        callback=self_test,
        help="Plant faults in data that come with Assay, print what a drafted contract and the built-in checks find of "
        "them, and end; takes minutes.",
    ),
]
# eager, so that it is known when the self-test begins
Quick = Annotated[
    bool,
    typer.Option("--quick", is_eager=True, help="With --self-test: each fault once, at its strongest."),
]


@explained
def contract(
    data: Data,
    json: Target,
    suite: Suite = None,
    policy: PolicyFile = None,
    key: Key = None,
    reference: Reference = None,
    trial: SelfTest = False,
    quick: Quick = False,
    html: Page = None,
) -> None:
    """Hold a file to its data contract, and to what no contract sees.

    Example: assay gate contract --data adult.parquet --suite contract.json --key person_id --json verdict.json
    """
    from dataclasses import replace

    from assay.cli.gate import beyond
    from assay.cli.inputs import Mistakes
    from assay.cli.output import check_page, check_target
    from assay.cli.progress import reporting
    from assay.core import Problem, Stopwatch, UserError, did_you_mean
    from assay.data.sources import column_names
    from assay.gates import contract as gate

    watch, mistakes, expectations, columns = Stopwatch(), Mistakes(), None, None
    part, fairness, roles, policy_sha256 = _policy(policy, mistakes)
    named = None if roles is None else roles.key
    with mistakes.gathered():
        check_target(json, *(file for file in (data, suite, policy, reference) if file))
    with mistakes.gathered():
        columns = column_names(data)
    with mistakes.gathered():
        check_page(html, json, *(file for file in (data, suite, policy, reference) if file))
    with mistakes.gathered():
        expectations = {"name": "", "expectations": []} if suite is None else gate.load_suite(suite)
    if reference is not None:
        with mistakes.gathered():
            column_names(reference)
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
    others = [] if reference is None else [reference]
    with gate.as_parquet([data]) as files, gate.as_parquet(others) as references, reporting() as report:
        split = beyond.split_of(data, roles, part)
        found = beyond.measured(files, roles, part, fairness, key, references, split, report)
        evidence = gate.measure(files=files, suite=expectations, policy=part, key=key, report=report)
        judgement = gate.described(
            gate.judge(replace(evidence, beyond=found, suited=suite is not None), part),
            files=files,
            suite=expectations,
            roles=beyond.roles_of(roles, key),
            policy=part,
            reference=references,
            report=report,
        )
    end("contract", judgement, watch, data=data, target=json, html=html, policy_sha256=policy_sha256)


def _policy(path: Path | None, mistakes: "Mistakes") -> "tuple[Contract, Fairness | None, DataPart | None, str | None]":
    """The gate's part of a policy, the fairness gate's, what it says of its data, and the file's digest."""
    import yaml

    from assay.policy import Data, load_gates
    from assay.policy.contract import Contract

    part, fairness, data, policy_sha256 = Contract(), None, None, None
    if path is not None:
        with mistakes.gathered():
            gates, policy_sha256 = load_gates(path)
            part, fairness = gates.contract or part, gates.fairness
            said = yaml.safe_load(path.read_bytes()).get("data")
            data = None if said is None else Data.model_validate(said)
    return part, fairness, data, policy_sha256
