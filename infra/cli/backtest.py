"""`tributary rules backtest`: what a draft would have cost over the stored orders, and who would gain and lose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from contracts.javascript import all_exact
from contracts.money import MoneyError, to_rate_ppm
from contracts.rules.view import Terms
from infra.cli import rules_store
from infra.cli.environment import (
    EXIT_BREACH,
    EXIT_USAGE,
    Stack,
    one_sentence_on_failure,
    orders_may_be_of,
    settings_for,
)
from infra.cli.rehearsal_view import as_object, print_backtest
from infra.cli.rule_file import read_rules
from infra.rehearsal.backtest import Backtest, OnProgress
from infra.rehearsal.backtest import backtest as rehearse
from infra.rehearsal.chart import svg_of
from infra.runtime.collector import collect_seldom
from infra.runtime.settings import Settings

_DAYS = ["%Y-%m-%d"]


def backtest(
    draft: Annotated[Path, typer.Argument(metavar="DRAFT", help="A rule set in JSON or YAML.")],
    first_day: Annotated[
        datetime, typer.Option("--from", formats=_DAYS, callback=orders_may_be_of, help="The first day, in UTC.")
    ],
    last_day: Annotated[
        datetime, typer.Option("--to", formats=_DAYS, callback=orders_may_be_of, help="The last day, in UTC, included.")
    ],
    margin_floor: Annotated[
        str, typer.Option(metavar="RATE", help="Count lines that keep less than this share of their net.")
    ] = "0.5",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything there, for programs; - prints it.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw it as an SVG picture there.")
    ] = None,
    stack: Stack = "default",
) -> None:
    """Run a draft over the stored paid orders without touching anything, and hold it against what was booked.

    Both sides are net of refunds. Rewards for sales targets are not part of it. Exits with 1 where the draft breaks
    its market's limits.
    """
    if last_day < first_day:
        _refuse(f"--to {last_day:%Y-%m-%d} is before --from {first_day:%Y-%m-%d}; give the earlier day first.")
    floor_ppm = _rate_ppm(margin_floor)
    _, terms = read_rules(draft)
    console = Console(stderr=json_file == Path("-"))
    with one_sentence_on_failure(), _progress(console, first_day, last_day) as on_progress:
        settings = settings_for(stack)
        found = uvloop.run(_run(settings, terms, first_day.date(), last_day.date(), floor_ppm, on_progress))
    print_backtest(found, console)
    if json_file is not None:
        text = json.dumps(all_exact(as_object(found)), indent=2, ensure_ascii=False) + "\n"
        _write(json_file, text)
    if chart is not None:
        _write(chart, svg_of(found))
        console.print(f"The chart is in {chart}.", highlight=False)
    raise typer.Exit(EXIT_BREACH if found.breaches else 0)


async def _run(
    settings: Settings, terms: Terms, first_day: date, last_day: date, floor_ppm: int, on_progress: OnProgress
) -> Backtest:
    collect_seldom()
    async with rules_store.opened(settings) as store:
        return await rehearse(store, terms, first_day, last_day, margin_floor_ppm=floor_ppm, on_progress=on_progress)


@contextmanager
def _progress(console: Console, first_day: datetime, last_day: datetime) -> Iterator[OnProgress]:
    """A bar of days: how many orders there are is not known before they are read."""
    days = (last_day - first_day).days + 1
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=days)

        def on_progress(orders: int, reached: datetime) -> None:
            done = (reached.date() - first_day.date()).days
            bar.update(task, completed=max(done, 0), description=f"{orders:,} orders")

        yield on_progress


def _rate_ppm(rate: str) -> int:
    try:
        ppm = to_rate_ppm(Decimal(rate))
    except (ArithmeticError, MoneyError):
        ppm = -1
    if not 0 <= ppm <= 1_000_000:
        _refuse(f"--margin-floor {rate}: give a share from 0 to 1, such as 0.5.")
    return ppm


def _write(path: Path, text: str) -> None:
    if path == Path("-"):
        typer.echo(text, nl=False)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        _refuse(f"{path}: {error.strerror or error}.")


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(EXIT_USAGE)
