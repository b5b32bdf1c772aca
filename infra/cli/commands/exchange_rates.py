"""`tributary fx`: tables of exchange rates, which two persons agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.commands.options import By, Last, Wait
from infra.terminal.environment import AsJson, Stack

Table = Annotated[str, typer.Argument(metavar="TABLE", help="The table's id.")]


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with the columns currency and rate.")],
    source: Annotated[str, typer.Option("--source", metavar="CODE", help="Who states the rates, such as treasury.")],
    base: Annotated[str, typer.Option("--base", metavar="CODE", help="One unit of it is worth the rates.")],
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="TIME", help="The time of the rates, such as 2026-11-30T16:00:00+01:00.")
    ],
    table: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Your own id of it.", show_default="source and time")
    ] = None,
    spread: Annotated[
        str, typer.Option("--spread", metavar="RATE", help="What the house keeps of each amount, such as 0.005.")
    ] = "0",
    confirm_jump: Annotated[
        bool, typer.Option("--confirm-jump", help="A rate may differ by more than a tenth from the last known one.")
    ] = False,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Propose a table of exchange rates. Another person must approve it."""
    from infra.cli.actions.exchange_rates import NewTable
    from infra.cli.actions.exchange_rates import publish as run

    given = NewTable(table, source, base, as_of, spread, confirm_jump)
    run(file, given, by, wait, stack, as_json=as_json)


def approve(
    table: Table,
    digest: Annotated[
        str, typer.Option("--digest", metavar="DIGEST", help="The digest that you have read, or its beginning.")
    ],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Approve a table that another person has proposed and you have read."""
    from infra.cli.actions.exchange_rates import approve as run

    run(table, digest, by, wait, stack, as_json=as_json)


def reject(
    table: Table,
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="A code of your own, such as wrong_column.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Reject a table that is not approved."""
    from infra.cli.actions.exchange_rates import reject as run

    run(table, reason, by, wait, stack, as_json=as_json)


def show(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="The table's id; absent: list them.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="Only tables of this time or before.")
    ] = None,
    last: Last = 20,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show a table with its rates and digest, or list the newest tables."""
    from infra.cli.actions.exchange_rates import list_tables
    from infra.cli.actions.exchange_rates import show as run

    if table is None:
        list_tables(as_of, last, stack, as_json=as_json)
    else:
        run(table, stack, as_json=as_json)
