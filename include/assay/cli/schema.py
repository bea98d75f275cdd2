"""`assay schema ...`: JSON Schemas, generated from the types that they describe."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.errors import explained

app = typer.Typer(no_args_is_help=True, help="Print the JSON Schema of a verdict or of a policy file.")

Out = Annotated[Path | None, typer.Option(help="File to write; without it, standard output.", show_default=False)]


@app.command()
@explained
def verdict(out: Out = None) -> None:
    """Print the schema of the verdict that every gate writes.

    Example: assay schema verdict --out docs/schema/verdict.schema.json
    """
    _write(verdict_schema(), out)


@app.command()
@explained
def policy(out: Out = None) -> None:
    """Print the schema of a policy file, for editors that complete and check YAML.

    Example: assay schema policy --out docs/schema/policy.schema.json
    """
    from assay.policy import json_schema

    _write(json_schema(), out)


def verdict_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of exactly what `Verdict.to_dict` gives.

    Every field is there, null where it does not apply, and no other; only a limit leaves its open
    side out, a verdict its budget when it spent none and its distributions when it has none, and a
    check its examples when it has none.
    """
    from pydantic import TypeAdapter

    from assay.core import Verdict

    schema = TypeAdapter(Verdict).json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Assay verdict"
    for part in (schema, *schema["$defs"].values()):
        if part.get("type") == "object":
            _close(part)
    number = {"type": "number"}
    schema["$defs"]["Limit"] |= {"properties": {"min": number, "max": number}, "required": [], "minProperties": 1}
    schema["properties"]["attempt"]["minimum"] = 1
    schema["properties"]["budget"] = {"$ref": "#/$defs/Budget"}
    schema["properties"]["distributions"]["minItems"] = 1
    for name in ("budget", "distributions"):
        schema["required"].remove(name)
    check = schema["$defs"]["Check"]
    check["properties"]["examples"] = check["properties"]["examples"]["anyOf"][0]
    check["required"].remove("examples")
    return schema


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as it is committed."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _close(part: dict[str, Any]) -> None:
    """Require every field, allow no other, and drop defaults: a written verdict leaves nothing to them."""
    part["required"] = list(part["properties"])
    part["additionalProperties"] = False
    for field in part["properties"].values():
        field.pop("default", None)


def _write(schema: dict[str, Any], out: Path | None) -> None:
    from assay.cli.output import write_file

    if out is None:
        typer.echo(schema_text(schema), nl=False)
    else:
        write_file(out, schema_text(schema).encode())
