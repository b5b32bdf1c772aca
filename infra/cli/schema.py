"""`tributary schema`: keep the released message schemas and the AsyncAPI document in step with the contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts import schema

Folder = Annotated[
    Path,
    typer.Option(
        "--folder",
        help="Where the snapshots are, one JSON file for each message version.",
        show_default="contracts/schemas",
    ),
]
Document = Annotated[
    Path,
    typer.Option(
        "--document",
        help="The AsyncAPI document that is generated from the messages.",
        show_default="docs/asyncapi.json",
    ),
]


def check(
    folder: Folder = schema.FOLDER,
    document: Document = schema.DOCUMENT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Compare every message with its released schema, in both directions.

    Exits with 1 if an old and a new program could not understand each other, or if a file is behind.
    """
    problems = schema.check(folder, document)
    if as_json:
        typer.echo(json.dumps({"ok": not problems, "problems": problems}))
    elif problems:
        for problem in problems:
            typer.echo(problem, err=True)
    else:
        typer.echo("Every message matches its released schema.")
    raise typer.Exit(1 if problems else 0)


def export(folder: Folder = schema.FOLDER, document: Document = schema.DOCUMENT) -> None:
    """Write the schemas of new messages and new optional fields, and the AsyncAPI document.

    A released schema that the contracts no longer fit is left as it is: exits with 1 and says what breaks.
    """
    exported = schema.export(folder, document)
    for path in exported.written:
        typer.echo(f"Wrote {path}.")
    for problem in exported.problems:
        typer.echo(problem, err=True)
    if not exported.written and not exported.problems:
        typer.echo("Nothing to write: every file is up to date.")
    raise typer.Exit(1 if exported.problems else 0)
