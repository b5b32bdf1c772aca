"""`tributary rules backtest`: what a draft would have cost over the stored orders, and who would gain and lose."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import typer
import uvloop

from contracts.javascript import all_exact
from contracts.money import MoneyError, to_rate_ppm
from contracts.rules.view import Terms
from infra.cli.actions.rule_file import read_rules
from infra.collector import collect_seldom
from infra.rehearsal import stored_rules as rules_store
from infra.rehearsal.backtest import Backtest, OnProgress
from infra.rehearsal.backtest import backtest as rehearse
from infra.rehearsal.chart import svg_of
from infra.rehearsal.view import as_object, print_backtest
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for, write_file
from infra.terminal.printing import print_text
from infra.terminal.progress import progress
from infra.terminal.screen import Screen


def backtest(
    draft: Path,
    first_day: datetime,
    last_day: datetime,
    margin_floor: str,
    json_file: Path | None,
    chart: Path | None,
    stack: str,
) -> None:
    if last_day < first_day:
        refuse(f"--to {last_day:%Y-%m-%d} is before --from {first_day:%Y-%m-%d}; give the earlier day first.")
    floor_ppm = _rate_ppm(margin_floor)
    _, terms = read_rules(draft)
    console = Screen(stderr=json_file == Path("-"))
    with one_sentence_on_failure(), progress() as on_progress:
        days = (last_day - first_day).days + 1

        def on_orders(orders: int, reached: datetime) -> None:
            """Progress in days, because the number of orders is not known in advance."""
            on_progress("reading the orders of each day", max((reached.date() - first_day.date()).days, 0), days)

        settings = settings_for(stack)
        found = uvloop.run(_run(settings, terms, first_day.date(), last_day.date(), floor_ppm, on_orders))
    print_backtest(found, console)
    if json_file is not None:
        text = json.dumps(all_exact(as_object(found)), indent=2, ensure_ascii=False) + "\n"
        _write(json_file, text)
    if chart is not None:
        _write(chart, svg_of(found))
        console.print(f"The chart is in {chart}.", highlight=False)
    raise typer.Exit(EXIT_BREACH if found.breaches else 0)


async def _run(
    settings: Settings, terms: Terms, first_day: date, last_day: date, floor_ppm: int, on_orders: OnProgress
) -> Backtest:
    collect_seldom()
    async with rules_store.opened(settings) as store:
        return await rehearse(store, terms, first_day, last_day, margin_floor_ppm=floor_ppm, on_progress=on_orders)


def _rate_ppm(rate: str) -> int:
    try:
        ppm = to_rate_ppm(Decimal(rate))
    except (ArithmeticError, MoneyError):
        ppm = -1
    if not 0 <= ppm <= 1_000_000:
        refuse(f"--margin-floor {rate}: give a share from 0 to 1, such as 0.5.")
    return ppm


def _write(path: Path, text: str) -> None:
    if path == Path("-"):
        print_text(text, end="")
    else:
        write_file(path, text)
