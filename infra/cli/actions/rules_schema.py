"""`tributary rules schema`: the JSON Schema of a rule set, without the imports of the other commands."""

from __future__ import annotations

from pathlib import Path

import typer

from contracts.rules import json_schema
from infra.terminal.environment import write_file


def schema(output: Path | None) -> None:
    if output is None:
        typer.echo(json_schema.text(), nl=False)
    else:
        write_file(output, json_schema.text())
