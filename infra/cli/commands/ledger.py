"""`tributary ledger`: what accounts hold and why, and the balances made again from what was posted."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes


def show(
    distributor: Annotated[
        int,
        typer.Argument(metavar="DISTRIBUTOR", min=0, max=DISTRIBUTOR_MAX, help="0 is the platform itself."),
    ],
    last: Annotated[int, typer.Option("--last", min=1, max=10_000, help="How many postings to show.")] = 20,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show what a distributor's accounts hold, and the postings that touched them last, newest first.

    A negative amount was taken back after it had been released; what is earned later makes up for it. Exits with 1
    where nothing was ever posted.
    """
    from infra.cli.actions.ledger import show as run

    run(distributor, last, stack, as_json=as_json)


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exits with 1 where something differs.")] = False,
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Add up the ledger, and write the balances again where any of them is not what the ledger comes to.

    The same for what conditions and caps know of each month, own sales and what each plan paid: that is added up from
    the commissions. An order that was calculated with other figures keeps what it paid.

    Only while no commission worker runs, since what one is about to add would be lost: stop them first. A --check may
    run beside them: it compares as of one moment, which MongoDB keeps for five minutes.
    """
    from infra.cli.actions.ledger import rebuild as run

    run(stack, check=check, yes=yes, as_json=as_json)
