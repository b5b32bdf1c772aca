"""`tributary demo`: the whole system on its own servers."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Yes
from infra.terminal.numbers import whole


def demo(
    orders: Annotated[int, typer.Option("--orders", parser=whole(1, 155_848), help="Real baskets to publish.")] = 2000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the system running, with the HTTP API and logins, to explore it.")
    ] = False,
    on_given_servers: Annotated[
        bool,
        typer.Option(
            "--on-given-servers",
            help="Use the servers of RABBITMQ_URL, MONGODB_URL and REDIS_URL, if they are empty; asks first.",
        ),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Start new servers, run real orders through every worker, and verify the result.

    Exported addresses are used only with --on-given-servers. Exits with 0 only if every invariant holds and every
    published message is accounted for. With --keep, servers, workers, clock and API continue in the background; the
    logins and the command to stop are printed once.
    """
    from infra.cli.actions.demo import demo as run

    run(orders, keep=keep, on_given_servers=on_given_servers, yes=yes, as_json=as_json)
