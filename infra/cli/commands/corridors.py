"""`tributary corridors`: where money may go abroad."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.commands.options import By, Wait
from infra.terminal.environment import AsJson, Stack

CorridorId = Annotated[str, typer.Argument(metavar="ID", help="Your own id of the corridor.")]
_LIMIT = "Such as USD=10000.00; repeat it for other currencies."


def list_corridors(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List the corridors that are open or proposed, with their digests."""
    from infra.cli.actions.corridors import list_corridors as run

    run(stack, every=every, as_json=as_json)


def define(
    corridor_id: CorridorId,
    rail: Annotated[str, typer.Option("--rail", metavar="NAME", help="Such as paypal.")],
    from_country: Annotated[
        str, typer.Option("--from", metavar="COUNTRY", help="Where the account is that pays, such as DE.")
    ],
    to_country: Annotated[str, typer.Option("--to", metavar="COUNTRY", help="The country of the payee's account.")],
    currencies: Annotated[
        list[str], typer.Option("--currency", metavar="CODE", help="What is sent; repeat it for others.")
    ],
    per_payment: Annotated[
        list[str] | None, typer.Option("--per-payment", metavar="LIMIT", help=f"The most of one payment. {_LIMIT}")
    ] = None,
    per_year: Annotated[
        list[str] | None,
        typer.Option("--per-year", metavar="LIMIT", help=f"The most that a distributor gets in a year. {_LIMIT}"),
    ] = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Define a corridor. Another person must approve it; then it replaces the one of the same rail and countries."""
    from infra.cli.actions.corridors import NewCorridor
    from infra.cli.actions.corridors import define as run

    given = NewCorridor(corridor_id, rail, from_country, to_country, currencies, per_payment or [], per_year or [])
    run(given, by, wait, stack, as_json=as_json)


def approve(
    corridor_id: CorridorId,
    digest: Annotated[
        str, typer.Option("--digest", metavar="DIGEST", help="The digest that you have read, or its beginning.")
    ],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Open a corridor that another person has defined and you have read."""
    from infra.cli.actions.corridors import approve as run

    run(corridor_id, digest, by, wait, stack, as_json=as_json)


def close(
    corridor_id: CorridorId,
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="A code of your own.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Close a corridor at once. What is under way goes on, and the rest waits."""
    from infra.cli.actions.corridors import close as run

    run(corridor_id, reason, by, wait, stack, as_json=as_json)
