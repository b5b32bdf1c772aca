"""`tributary demo`: the whole system on servers of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Yes


def demo(
    orders: Annotated[int, typer.Option("--orders", min=1, max=155_848, help="Real baskets to publish.")] = 2000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave all of it running, with the HTTP API and logins, for a look around.")
    ] = False,
    on_given_servers: Annotated[
        bool,
        typer.Option(
            "--on-given-servers",
            help="Use the servers of RABBITMQ_URL, MONGODB_URL and REDIS_URL, if nothing is stored there; asks first.",
        ),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Start servers of its own, run real orders through every worker, and verify the result.

    Addresses that are exported are not used unless --on-given-servers says so. Exits with 0 only if every invariant
    holds and every published message is accounted for. With --keep servers, workers, clock and API go on in the
    background; the command that stops them is printed, and the logins, only then.
    """
    from infra.cli.actions.demo import demo as run

    run(orders, keep=keep, on_given_servers=on_given_servers, yes=yes, as_json=as_json)
