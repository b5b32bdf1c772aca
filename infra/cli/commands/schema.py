"""`tributary schema`: keep the released message schemas and the AsyncAPI document in step with the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.environment import AsJson

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        help="Where the snapshots are, one JSON file for each message version.",
        show_default="contracts/schemas",
    ),
]
Document = Annotated[
    Path | None,
    typer.Option(
        "--document",
        help="The AsyncAPI document that is generated from the messages.",
        show_default="docs/asyncapi.json",
    ),
]


def check(
    folder: Folder = None,
    document: Document = None,
    as_json: AsJson = False,
) -> None:
    """Compare every message with its released schema, in both directions.

    Exits with 1 if an old and a new program could not understand each other, or if a file is behind.
    """
    from infra.cli.schema import check as run

    run(folder, document, as_json=as_json)


def export(folder: Folder = None, document: Document = None) -> None:
    """Write the schemas of new messages and new optional fields, and the AsyncAPI document.

    A released schema that the contracts no longer fit is left as it is: exits with 1 and says what breaks.
    """
    from infra.cli.schema import export as run

    run(folder, document)
