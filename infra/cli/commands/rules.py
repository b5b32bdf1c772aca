"""`tributary rules`: read, check, explain, rehearse and change rule sets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from contracts.explanation.rule_phrases import Language
from infra.cli.commands.options import By, Wait
from infra.terminal.environment import AsJson, Stack, day_in_range
from infra.terminal.numbers import whole

File = Annotated[Path, typer.Argument(metavar="FILE", help="A rule set in JSON or YAML.")]
MarketName = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help="Check the limits of this stored market.")
]
MarketFile = Annotated[
    Path | None, typer.Option("--market-file", metavar="FILE", help="Check the limits of the market in this file.")
]
Lang = Annotated[Language, typer.Option("--lang", help="The language of the sentences.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", parser=whole(1, 2**31), help="The rule set's number.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="The start, such as 2026-12-01T00:00:00+08:00.", show_default="now"),
]

_DAYS = ["%Y-%m-%d"]


def schema(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it to this file instead of printing it."),
    ] = None,
) -> None:
    """Print the JSON Schema of a rule set, for editors and other programs."""
    from infra.cli.actions.rules_schema import schema as run

    run(output)


def check(
    file: File,
    market: MarketName = None,
    market_file: MarketFile = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Check a rule set, and whether its market allows it. Exits with 1 if anything is wrong.

    Needs no server, except to look up a market with --market.
    """
    from infra.cli.actions.rules import check as run

    run(file, market, market_file, stack, as_json=as_json)


def explain(
    name: Annotated[
        str, typer.Argument(metavar="FILE|VERSION", help="A rule set in a file, or the number of one in the store.")
    ],
    lang: Lang = "en",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Print a rule set as plain sentences, for a person to approve. The last line is its digest."""
    from infra.cli.actions.rules import explain as run

    run(name, lang, stack, as_json=as_json)


def list_rules(stack: Stack = "default", as_json: AsJson = False) -> None:
    """List the rule sets, with who proposed and approved each, and when it applies."""
    from infra.cli.actions.rules import list_rules as run

    run(stack, as_json=as_json)


def show(
    version: Version,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show one rule set: its stage, people, dates, digest and terms. Amounts are in minor units."""
    from infra.cli.actions.rules import show as run

    run(version, stack, as_json=as_json)


def propose(
    version: Version, file: File, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Propose a rule set as a draft, or replace a draft. Another person must approve it."""
    from infra.cli.actions.rules_changes import propose as run

    run(version, file, by, wait, stack, as_json=as_json)


def approve(
    version: Version,
    digest: Annotated[
        str,
        typer.Option(
            "--digest",
            metavar="DIGEST",
            help="The digest that you have read, the last line of `rules explain`, or its beginning.",
        ),
    ],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Approve a draft that another person has proposed and you have read."""
    from infra.cli.actions.rules_changes import approve as run

    run(version, digest, by, wait, stack, as_json=as_json)


def activate(
    version: Version,
    effective_from: From = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Activate an approved rule set from a given time, within the limits of its market."""
    from infra.cli.actions.rules_changes import activate as run

    run(version, effective_from, by, wait, stack, as_json=as_json)


def retire(
    version: Version,
    effective_from: From = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Retire an active rule set that no longer applies, is only planned, or is the last one: none before it returns."""
    from infra.cli.actions.rules_changes import retire as run

    run(version, effective_from, by, wait, stack, as_json=as_json)


def market(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A market in JSON or YAML.")],
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Define the legal limits of a market. First retire active rule sets that exceed them."""
    from infra.cli.actions.rules_changes import market as run

    run(file, wait, stack, as_json=as_json)


def backtest(
    draft: Annotated[Path, typer.Argument(metavar="DRAFT", help="A rule set in JSON or YAML.")],
    first_day: Annotated[
        datetime, typer.Option("--from", formats=_DAYS, callback=day_in_range, help="The first day, in UTC.")
    ],
    last_day: Annotated[
        datetime,
        typer.Option("--to", formats=_DAYS, callback=day_in_range, help="The last day, in UTC, included."),
    ],
    margin_floor: Annotated[
        str, typer.Option(metavar="RATE", help="Count lines that keep less than this share of their net.")
    ] = "0.5",
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all figures to this file as JSON; - prints them."),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw an SVG chart in this file.")
    ] = None,
    stack: Stack = "default",
) -> None:
    """Apply a draft to the stored paid orders, and compare it with what was booked. Changes nothing.

    Both sides are net of refunds. Rewards for sales targets are not included. Exits with 1 if the draft exceeds its
    market's limits.
    """
    from infra.cli.actions.backtest import backtest as run

    run(draft, first_day, last_day, margin_floor, json_file, chart, stack)
