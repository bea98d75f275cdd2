"""`assay rollback`: take the traffic from a canary by hand."""

from typing import Annotated

import typer

from assay.cli.errors import explained
from assay.core import Settings


@explained
def rollback(
    model: Annotated[str, typer.Argument(help="The model whose canary is to lose its traffic.")],
    reason: Annotated[str, typer.Option(help="Why. Kept with the move, and in the dossier of the run that began it.")],
) -> None:
    """Roll back the rollout that is under way; the champion serves alone again within seconds.

    The waiting `canary_promotion` task then ends as failed. A champion is never moved by hand: retrain
    and promote another version instead.

    Example: assay rollback income --reason "callers report timeouts"
    """
    from assay.core import problem
    from assay.rollout import Rollouts

    if not reason.strip():
        raise problem("--reason", "is empty", "say why, for whoever reads the history")
    rollouts = Rollouts.open(Settings.from_environment().operations_db)
    current = rollouts.current(model)
    if current is None or current.rollout_id is None:
        raise problem(model, "no rollout is under way", "see what serves with GET /models/MODEL at the gateway")
    row = rollouts.roll_back(current.rollout_id, current.epoch, reason=f"rolled back by hand: {reason.strip()}")
    typer.echo(f"{row.model} version {row.version}: {row.state}, {row.reason}")
