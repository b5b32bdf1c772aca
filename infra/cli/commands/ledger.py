"""`tributary ledger`: account balances, their postings, and a rebuild of the balances."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes
from infra.terminal.numbers import whole


def show(
    distributor: Annotated[
        int,
        typer.Argument(metavar="DISTRIBUTOR", parser=whole(0, DISTRIBUTOR_MAX), help="0 is the platform itself."),
    ],
    last: Annotated[int, typer.Option("--last", parser=whole(1, 10_000), help="How many postings to show.")] = 20,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show the balances of a distributor's accounts and their latest postings, newest first.

    A negative balance is a clawback after a release; later earnings make up for it. Exits with 1 if there is no
    posting.
    """
    from infra.cli.actions.ledger import show as run

    run(distributor, last, stack, as_json=as_json)


def hand_over(stack: Stack = "default") -> None:
    """Hand over what was released, granted or payable before settlement and payouts ran.

    Needed once, after an upgrade from a release without them; `verify` reports it as I12 or I15 until then. It needs
    `reward_checks` and `settlement` to be stopped, and every reward that was announced to be booked. Repeating it books
    nothing twice.
    """
    from infra.cli.actions.ledger_hand_over import hand_over as run

    run(stack)


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exits with 1 if something differs.")] = False,
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Add up the ledgers of commissions and of settlement, and overwrite the sums that differ from them.

    The monthly figures of conditions and caps (own sales, and what each plan paid) are rebuilt from the commissions in
    the same way. An order that was calculated with other figures keeps its commissions.

    Stop all workers of commissions and settlement first, because their concurrent changes would be lost. A --check may
    run beside them: it reads a snapshot, which MongoDB keeps for five minutes.
    """
    from infra.cli.actions.ledger import rebuild as run

    run(stack, check=check, yes=yes, as_json=as_json)
