"""The command `assay`."""

import typer

from assay.cli.card import card
from assay.cli.demo import demo
from assay.cli.dossier import app as dossier
from assay.cli.errors import explained
from assay.cli.explain import explain
from assay.cli.gate import app as gate
from assay.cli.keys import app as keys
from assay.cli.new import new
from assay.cli.policy import app as policy
from assay.cli.rollback import rollback
from assay.cli.schema import app as schema
from assay.cli.serve import serve
from assay.cli.stack import app as stack

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Governed model retraining on Apache Airflow: no model gets past without evidence.",
)
app.command()(demo)
app.command()(explained(new))
app.add_typer(stack)
app.command()(explained(serve))
app.command()(rollback)
app.command()(explain)
app.command()(card)
app.add_typer(dossier, name="dossier")
app.add_typer(gate, name="gate")
app.add_typer(keys, name="keys")
app.add_typer(policy, name="policy")
app.add_typer(schema, name="schema")


def main() -> None:
    """Run the command line."""
    app()
