"""`tributary schema`: compare and update the released message schemas and the AsyncAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.terminal.environment import AsJson

_FOLDER = "Where the snapshots are, one JSON file for each message version."
_DOCUMENT = "The AsyncAPI document that is generated from the messages."
_FOLDER_DEFAULT, _DOCUMENT_DEFAULT = "contracts/schemas", "docs/asyncapi.json"


def check(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", exists=True, file_okay=False, help=_FOLDER, show_default=_FOLDER_DEFAULT),
    ] = None,
    document: Annotated[
        Path | None,
        typer.Option("--document", exists=True, dir_okay=False, help=_DOCUMENT, show_default=_DOCUMENT_DEFAULT),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every message with its released schema, in both directions.

    Exits with 1 if an old and a new program could not exchange messages, or if a file is outdated.
    """
    from infra.cli.actions.schema import check as run

    run(folder, document, as_json=as_json)


def export(
    folder: Annotated[
        Path | None, typer.Option("--folder", file_okay=False, help=_FOLDER, show_default=_FOLDER_DEFAULT)
    ] = None,
    document: Annotated[
        Path | None, typer.Option("--document", dir_okay=False, help=_DOCUMENT, show_default=_DOCUMENT_DEFAULT)
    ] = None,
) -> None:
    """Write the schemas of new messages and new optional fields, and the AsyncAPI document.

    A released schema that a contract breaks is not changed: exits with 1 and prints what breaks.
    """
    from infra.cli.actions.schema import export as run

    run(folder, document)
