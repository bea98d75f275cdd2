"""The command `assay`."""

import typer

from assay.cli.anchors import app as anchors
from assay.cli.audit import audit
from assay.cli.backup import app as backup
from assay.cli.card import card
from assay.cli.catalogue import catalogue, delete, retire
from assay.cli.contract import app as contract
from assay.cli.database import app as database
from assay.cli.demo import demo
from assay.cli.doctor import doctor
from assay.cli.dossier import app as dossier
from assay.cli.errors import explained
from assay.cli.explain import explain
from assay.cli.gate import app as gate
from assay.cli.history import history
from assay.cli.keys import app as keys
from assay.cli.new import new
from assay.cli.policy import app as policy
from assay.cli.registry import app as registry
from assay.cli.rollback import rollback
from assay.cli.schema import app as schema
from assay.cli.serve import serve
from assay.cli.signer import signer
from assay.cli.snapshot import app as snapshot
from assay.cli.stack import app as stack
from assay.cli.trying import try_model
from assay.cli.umask import keep_state_private
from assay.cli.waive import waive
from assay.core import AssayError
from assay.local.adopt import adopt

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Governed model retraining on Apache Airflow: no model gets past without evidence.",
)
app.command()(demo)
app.command()(explained(new))
app.command("try")(try_model)
app.add_typer(stack)
app.command()(explained(serve))
app.command()(explained(signer))
app.command()(doctor)
app.command()(rollback)
app.command()(audit)
app.command()(history)
app.command()(waive)
app.command()(catalogue)
app.command()(retire)
app.command()(delete)
app.command()(explain)
app.command()(card)
app.add_typer(anchors, name="anchors")
app.add_typer(backup, name="backup")
app.add_typer(contract, name="contract")
app.add_typer(database, name="database")
app.add_typer(dossier, name="dossier")
app.add_typer(gate, name="gate")
app.add_typer(keys, name="keys")
app.add_typer(policy, name="policy")
app.add_typer(registry, name="registry")
app.add_typer(schema, name="schema")
app.add_typer(snapshot, name="snapshot")


def main() -> None:
    """Run the command line, speaking to the stack of this folder unless the environment names other servers."""
    keep_state_private()
    try:
        adopt()
    except AssayError as error:  # `assay down` must go on all the same
        typer.echo(f"note: {error}", err=True)
    app()
