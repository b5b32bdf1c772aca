"""`tributary trace`: what happened to an order, from the journals: each message, its worker, time and effects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from contracts.javascript import all_exact
from infra.adapters.mongo import MongoStore
from infra.operators.timeline import Step, Timeline, timeline_of
from infra.runtime import roster
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text, printable
from infra.terminal.screen import Screen


def trace(name: str, stack: str, *, as_json: bool) -> None:
    with one_sentence_on_failure():
        settings = settings_for(stack)
        found = asyncio.run(timeline(settings, name))
    steps = found.steps
    if as_json:
        print_text(json.dumps(all_exact([asdict(step) for step in steps]), indent=2, default=str))
    else:
        print_timeline(name, steps, Screen())
    if not found.complete:
        print_line(f"These are the newest {len(steps)} steps; there are older ones.", err=True)
    if not steps:
        print_line(_not_found(name, settings), err=True)
    raise typer.Exit(0 if steps else EXIT_BREACH)


async def timeline(settings: Settings, name: str) -> Timeline:
    """The newest steps of the order, message, dead letter or correlation id `name`."""
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        return await timeline_of(store, roster.names(), name)
    finally:
        store.close()


def _not_found(name: str, settings: Settings) -> str:
    return (
        f"Nothing is known of {name!r}. Name an order shop_id/order_id, a shop's message by its id, and another "
        f"sender's by source/id. The journals go back {settings.journal_retention_days} days, and do not contain "
        "messages that wait in a queue, or events without a consumer."
    )


def print_timeline(name: str, steps: Sequence[Step], console: Console) -> None:
    day = None
    for step in steps:
        if step.at.date() != day:
            day = step.at.date()
            console.print(f"[bold]{_shown(name)}[/] on {day}", highlight=False)
        for line in _lines(step, name):
            console.print(line, highlight=False, soft_wrap=True)


def _lines(step: Step, name: str) -> Iterator[str]:
    """A step and its events; the message with the requested id is marked."""
    mark = f" [bold]◀ {_shown(name)}[/]" if step.id.endswith(name) else ""
    at, outcome = f"{step.at:%H:%M:%S.%f}"[:-3], _shown(step.outcome)
    yield f"{at}  [cyan]{step.worker}[/]  {_shown(step.type)} → [bold]{outcome}[/]{mark}"
    for message in step.emitted:
        mark = f" [bold]◀ {_shown(name)}[/]" if message["id"] == name else ""
        yield f"{'':14}emits {_shown(message['type'])}{escape(_summary(message))}{mark}"
    if step.letter:
        by = f" by {_shown(step.letter['settled_by'])}" if "settled_by" in step.letter else ""
        yield f"{'':14}dead letter {step.letter['letter_id']}: {step.letter['state']}{by}; see: tributary dead show"


def _shown(text: str) -> str:
    """Text of a sender, which is neither markup nor more than its part of the line."""
    return escape(printable(text))


def _summary(message: dict[str, Any]) -> str:
    """The part of a message that matters to a person."""
    data = message["data"]
    if message["type"].startswith("commission."):
        return _shares(data)
    if "detail" in data:
        return printable(f": {data.get('reason', data.get('kind', ''))}: {data['detail']}")
    if "picks" in data:
        picks = (f"{pick['quantity']} of {pick['product_id']} ({pick['batch_id']})" for pick in data["picks"])
        return printable(": " + ", ".join(picks))
    return ""


def _shares(data: dict[str, Any]) -> str:
    """What each distributor gets or gives back; `tributary explain` gives the reasons."""
    shares: dict[int, Decimal] = {}
    for part in data.get("shares") or data["entries"]:
        shares[part["distributor_id"]] = shares.get(part["distributor_id"], Decimal(0)) + Decimal(part["amount"])
    lines = [f"distributor {who}: {amount} {data['currency']}" for who, amount in shares.items()]
    if "entries" in data and "pool" in data:
        lines.append(f"why: tributary explain {data['shop_id']}/{data['order_id']}")
    return f": {data['total']} {data['currency']}" + "".join(f"\n{'':20}{line}" for line in lines)
