"""`assay dossier ...`: what a version's evidence is worth."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from assay.cli.errors import explained
from assay.cli.evidence import show, verify
from assay.core import Settings

if TYPE_CHECKING:
    from assay.evidence.replay import Replay, Replayed

app = typer.Typer(no_args_is_help=True, help="Look into the evidence of a version, and put it to the test.")
app.command()(show)
app.command()(verify)

Model = Annotated[str, typer.Argument(help="The registered model.")]
Version = Annotated[int, typer.Argument(help="One of its versions.", min=1)]


@app.command()
@explained
def replay(
    model: Model,
    version: Version,
    gate: Annotated[
        list[str] | None,
        typer.Option(help="Only this gate; may be given more than once.", show_default=False),
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train again too, and compare the ONNX bytes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of text.")] = False,
) -> None:
    """Judge a version's gates again from what its dossier names, and compare with what it records.

    Policy, contract, data, model and champion are fetched by their digests, and judged by the code of
    the time: where another Assay is installed, out of the archive that the dossier keeps. Outcomes and
    counts must be equal, numbers to 1e-9. Approvals and canaries cannot be judged again.

    Exit codes: 0 when all agrees, 1 when anything differs or the evidence is not what was recorded.

    Example: assay dossier replay income 1 --gate fairness --retrain
    """
    from assay.evidence.opening import archive
    from assay.evidence.replay import replay as judge_again
    from assay.registry.artifacts import TamperedError
    from assay.registry.dossier import EvidenceError
    from assay.registry.signing import SignatureError

    try:
        with Console(stderr=True).status("Starting") as line:
            found = judge_again(
                archive(Settings.from_environment()),
                model,
                version,
                gates=gate or None,
                retrain=retrain,
                progress=lambda doing: line.update(doing.capitalize()),
            )
    except (EvidenceError, TamperedError, SignatureError) as error:
        reasons = error.reasons if isinstance(error, EvidenceError) else [str(error)]
        print(f"error: the evidence of {model} version {version} does not hold:", file=sys.stderr)  # noqa: T201
        print("\n".join(f"  {reason}" for reason in reasons), file=sys.stderr)  # noqa: T201
        raise typer.Exit(1) from None
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else "\n".join(_lines(found)))
    raise typer.Exit(0 if found.agrees else 1)


def _lines(found: "Replay") -> Iterator[str]:
    code = "the code in the dossier's archive" if found.archived else "the installed code"
    yield f"{found.model} version {found.version}, dossier {found.dossier}"
    yield f"judged again by {code} ({found.code_version[:16]})"
    yield from (line for gate in found.gates for line in _gate(gate))
    if found.retrained is not None:
        was, now = found.retrained.recorded, found.retrained.retrained
        yield f"training: {'agrees' if was == now else 'DIFFERS'}, {_checked(was, now)}"
    yield from (f"not judged again: {each}" for each in found.unreplayed)
    yield from (f"another library than then: {each}" for each in found.libraries)
    yield "Everything agrees." if found.agrees else "Not everything agrees."


def _gate(gate: "Replayed") -> Iterator[str]:
    says = "DIFFERS" if gate.differences else "agrees"
    yield f"{gate.gate}: {says}, {gate.recorded}, {gate.checks} checks, verdict {gate.digest[:16]}"
    yield from (f"  {difference}" for difference in gate.differences)


def _checked(was: str, now: str) -> str:
    return f"ONNX {was[:16]}" if was == now else f"ONNX recorded {was}, retrained {now}"
