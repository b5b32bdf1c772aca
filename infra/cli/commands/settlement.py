"""`tributary settle`: close periods, and change terms and balances, with a second person where money is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.commands.options import By, Wait
from infra.cli.commands.rules import Lang
from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes
from infra.terminal.numbers import whole

Outcome = Literal["payable", "nothing", "below_minimum", "carried_negative"]
"""As in contracts.settlement.view, which help does not wait for."""

Market = Annotated[str, typer.Option("--market", metavar="NAME", help="The market.")]
Distributor = Annotated[
    int | None,
    typer.Option("--distributor", metavar="NUMBER", parser=whole(1, DISTRIBUTOR_MAX), help="Only this distributor."),
]
Version = Annotated[int, typer.Argument(metavar="VERSION", parser=whole(1, 2**31), help="The number of the terms.")]
Digest = Annotated[
    str, typer.Option("--digest", metavar="DIGEST", help="The digest that you have read, or its beginning.")
]
AdjustmentId = Annotated[str, typer.Argument(metavar="ID", help="Your own id of the adjustment.")]


def preview(
    distributor: Distributor = None,
    market: Market = "default",
    lang: Lang = "en",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show what is not closed yet, when it will be, and what would become of it. Changes nothing.

    Without --distributor it shows the sums of a market.
    """
    from infra.cli.actions.settlement_reads import preview as run

    run(distributor, market, lang, stack, as_json=as_json)


def close(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="Such as 2026-10.")],
    market: Market = "default",
    distributor: Distributor = None,
    final: Annotated[bool, typer.Option("--final", help="Without a minimum, for a distributor who leaves.")] = False,
    by: By = None,
    wait: Wait = 15,
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Close a period that is over without waiting for its grace; with --distributor, at any time.

    Asks first: a statement never changes.
    """
    from infra.cli.actions.settlement_changes import close as run

    run(period, market, distributor, by, wait, stack, final=final, yes=yes, as_json=as_json)


def terms(
    market: Annotated[str | None, typer.Option("--market", metavar="NAME", help="Only of this market.")] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List the terms of settlement, with their digests, and who proposed and approved them."""
    from infra.cli.actions.settlement_reads import list_terms as run

    run(market, stack, as_json=as_json)


def propose_terms(
    version: Version,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Terms in JSON or YAML.")],
    effective_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="They hold from the end of the period with this time.", show_default="now"
        ),
    ] = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Propose terms of settlement, or replace a draft. Another person must approve them."""
    from infra.cli.actions.settlement_changes import propose_terms as run

    run(version, file, effective_from, by, wait, stack, as_json=as_json)


def approve_terms(
    version: Version, digest: Digest, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Approve terms that another person has proposed and you have read."""
    from infra.cli.actions.settlement_changes import approve_terms as run

    run(version, digest, by, wait, stack, as_json=as_json)


def adjust(
    adjustment_id: AdjustmentId,
    distributor: Annotated[
        int,
        typer.Option("--distributor", metavar="NUMBER", parser=whole(1, DISTRIBUTOR_MAX), help="Who gets it."),
    ],
    currency: Annotated[str, typer.Option("--currency", metavar="CODE", help="Such as CNY.")],
    amount: Annotated[
        str, typer.Option("--amount", metavar="AMOUNT", help="Such as 12.50; negative if the distributor gets less.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="CODE", help="A code of your own, such as goodwill.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for people.")],
    write_off: Annotated[bool, typer.Option("--write-off", help="Forgive a debt of this amount.")] = False,
    market: Market = "default",
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Propose a correction of what a distributor can have, or a write-off. Another person must approve it."""
    from infra.cli.actions.settlement_changes import Adjusting
    from infra.cli.actions.settlement_changes import adjust as run

    kind = "write_off" if write_off else "adjustment"
    adjusting = Adjusting(adjustment_id, market, distributor, currency, amount, reason, note, kind)
    run(adjusting, by, wait, stack, as_json=as_json)


def approve_adjustment(
    adjustment_id: AdjustmentId,
    digest: Digest,
    by: By = None,
    distributor: Annotated[
        int | None,
        typer.Option(
            "--approver-distributor",
            metavar="NUMBER",
            parser=whole(1, DISTRIBUTOR_MAX),
            help="Your own number, if you are a distributor.",
        ),
    ] = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Approve an adjustment that another person has proposed and you have read."""
    from infra.cli.actions.settlement_changes import approve_adjustment as run

    run(adjustment_id, digest, by, distributor, wait, stack, as_json=as_json)


def list_statements(
    distributor: Distributor = None,
    market: Annotated[str | None, typer.Option("--market", metavar="NAME", help="Only of this market.")] = None,
    period: Annotated[str | None, typer.Option("--period", metavar="PERIOD", help="Only of this period.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", metavar="CODE", help="Only in this currency.")] = None,
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only with this outcome.")] = None,
    last: Annotated[int, typer.Option("--last", parser=whole(1, 10_000), help="How many statements to show.")] = 50,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List statements, the newest first."""
    from infra.cli.actions.settlement_reads import Filters
    from infra.cli.actions.settlement_reads import list_statements as run

    run(Filters(distributor, market, period, currency, outcome), last, stack, as_json=as_json)


def show_statement(
    statement_id: Annotated[
        str, typer.Argument(metavar="STATEMENT", help="Market, period, distributor and currency, joined by slashes.")
    ],
    lang: Lang = "en",
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write it as CSV.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page to print.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write it as PDF.")] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show a statement with every line, in sentences, or write it to files. Amounts in JSON are in minor units.

    Exits with 1 if there is no such statement, or if its lines do not add up to it.
    """
    from infra.cli.actions.settlement_reads import show as run
    from infra.statements.sheet import Form

    given: dict[Form, Path | None] = {"csv": csv, "html": html, "pdf": pdf}
    run(statement_id, lang, {form: path for form, path in given.items() if path is not None}, stack, as_json=as_json)
