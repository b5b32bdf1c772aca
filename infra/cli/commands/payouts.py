"""`tributary payouts`: send what statements owe, by batches of two persons, and record what rails report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.commands.options import By, Last, Wait
from infra.cli.commands.rules import Lang
from infra.cli.commands.settlement import Digest, Distributor, Market
from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack
from infra.terminal.numbers import whole

State = Literal[
    "waiting",
    "proposed",
    "approved",
    "sending",
    "sent",
    "awaiting_payee",
    "doubtful",
    "paid",
    "failed",
    "returned",
]
"""As in contracts.payouts.view, which help does not wait for."""

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="Your own id of the batch.")]
PayoutId = Annotated[
    str, typer.Argument(metavar="PAYOUT", help="The id of its statement, such as default/2026-10/42/CNY.")
]
Whose = Annotated[
    int, typer.Argument(metavar="DISTRIBUTOR", parser=whole(1, DISTRIBUTOR_MAX), help="The distributor's number.")
]
Paid = Annotated[bool, typer.Option("--paid/--failed", help="What became of it.")]
Attempt = Annotated[
    int | None,
    typer.Option(
        "--attempt", metavar="NUMBER", parser=whole(1, 2**31), help="The attempt.", show_default="the newest one"
    ),
]
OwnNumber = Annotated[
    int | None,
    typer.Option(
        "--approver-distributor",
        metavar="NUMBER",
        parser=whole(1, DISTRIBUTOR_MAX),
        help="Your own number, if you are a distributor.",
    ),
]


def propose(
    batch: BatchId,
    market: Market = "default",
    period: Annotated[str | None, typer.Option("--period", metavar="PERIOD", help="Only of this period.")] = None,
    rail: Annotated[str | None, typer.Option("--rail", metavar="NAME", help="Only what is sent this way.")] = None,
    statement: Annotated[
        list[str] | None, typer.Option("--statement", metavar="STATEMENT", help="Only this one; may be repeated.")
    ] = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Propose to send what is payable, the oldest first. Another person must approve it."""
    from infra.cli.actions.payout_changes import Proposal
    from infra.cli.actions.payout_changes import propose as run

    run(Proposal(batch, market, period, rail, tuple(statement or ())), by, wait, stack, as_json=as_json)


def show(
    thing: Annotated[str, typer.Argument(metavar="ID", help="A batch, or a payout by the id of its statement.")],
    lang: Lang = "en",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show a batch with its digest and lines, or a payout with its attempts and what was reported.

    Exits with 1 if there is none. Amounts in JSON are in minor units.
    """
    from infra.cli.actions.payout_reads import show as run

    run(thing, lang, stack, as_json=as_json)


def approve(
    batch: BatchId,
    digest: Digest,
    by: By = None,
    distributor: OwnNumber = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Approve a batch that another person has proposed and you have read. With the last approval it is sent."""
    from infra.cli.actions.payout_changes import approve as run

    run(batch, digest, by, distributor, wait, stack, as_json=as_json)


def reject(
    batch: BatchId,
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="A code of your own.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Reject a batch that is not approved yet. What is in it can be proposed again."""
    from infra.cli.actions.payout_changes import reject as run

    run(batch, reason, by, wait, stack, as_json=as_json)


def list_payouts(
    state: Annotated[State | None, typer.Option("--state", help="Only in this state.")] = None,
    distributor: Distributor = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="BATCH", help="Only of this batch.")] = None,
    lang: Lang = "en",
    last: Last = 50,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List payouts: where the money is, and why not further."""
    from infra.cli.actions.payout_reads import Filters
    from infra.cli.actions.payout_reads import list_payouts as run

    run(Filters(state, distributor, batch), lang, last, stack, as_json=as_json)


def hold(
    distributor: Whose,
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="A code of your own.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Send nothing more to a distributor. What is under way goes on."""
    from infra.cli.actions.payout_changes import hold as run

    run(distributor, reason, by, wait, stack, as_json=as_json)


def release(
    distributor: Whose, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """End the hold of a distributor, also one that a conflict began."""
    from infra.cli.actions.payout_changes import release as run

    run(distributor, by, wait, stack, as_json=as_json)


def resolve(
    payout: PayoutId,
    paid: Paid,
    evidence: Annotated[str, typer.Option("--evidence", metavar="TEXT", help="Where it is written.")],
    attempt: Attempt = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """State what became of a payout where the rail does not. Another person must confirm it."""
    from infra.cli.actions.payout_changes import resolve as run

    run(payout, "paid" if paid else "failed", evidence, attempt, by, wait, stack, as_json=as_json)


def confirm(
    payout: PayoutId,
    paid: Paid,
    attempt: Attempt = None,
    by: By = None,
    distributor: OwnNumber = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Confirm what another person stated of a payout, after you have checked it yourself."""
    from infra.cli.actions.payout_changes import confirm as run

    run(payout, "paid" if paid else "failed", attempt, by, distributor, wait, stack, as_json=as_json)


def reconcile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pain.002 or camt.053 of the bank.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Read a file of the bank: report what it says of payouts, and list what fits none. A file twice changes nothing.

    Exits with 1 if an entry fits no payout, or a report was refused.
    """
    from infra.cli.actions.payout_files import reconcile as run

    run(file, by, wait, stack, as_json=as_json)


def export(
    batch: BatchId,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The CSV file to write.")],
    stack: Stack = "default",
) -> None:
    """Write the payouts of a batch that people send by hand as CSV for the portal of a bank, with account numbers.

    The file can be read by your user alone. Needs the master key.
    """
    from infra.cli.actions.payout_files import export as run

    run(batch, output, stack)
