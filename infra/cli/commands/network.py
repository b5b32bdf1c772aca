"""`tributary network`: the sponsor tree."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, day_in_range
from infra.terminal.numbers import whole


def preview_move(
    distributor: Annotated[
        int,
        typer.Argument(
            metavar="DISTRIBUTOR", parser=whole(1, DISTRIBUTOR_MAX), help="Who would move, with the downline."
        ),
    ],
    under: Annotated[
        int | None,
        typer.Option(
            metavar="SPONSOR",
            parser=whole(1, DISTRIBUTOR_MAX),
            help="The new sponsor; without it, to the top of the network.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(parser=whole(1, 3660), help="How many days of orders to replay.")] = 30,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], callback=day_in_range, help="The last of these days, in UTC; by default today."
        ),
    ] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Replay the orders of a distributor and the downline as if under another sponsor. Changes nothing.

    Amounts are net of refunds. Exits with 1 if the move would be refused.
    """
    from infra.cli.actions.preview import preview_move as run

    run(distributor, under, days, until, stack, as_json=as_json)
