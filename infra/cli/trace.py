"""`tributary trace`: the timeline of an order, from the journals: who handled what when, and what it caused."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.adapters.mongo import MongoStore
from infra.cli.environment import EXIT_BREACH, AsJson, Stack, one_sentence_on_failure, settings_for
from infra.runtime import roster
from infra.runtime.journal import PREFIX
from infra.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Step:
    """One message in one worker's hands: `outcome` is what came of it, `emitted` what it caused."""

    at: datetime
    worker: str
    id: str
    type: str
    outcome: str
    emitted: tuple[dict[str, Any], ...] = field(default=())


def trace(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="shop_id/order_id, a message id or a correlation id.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to an order, down to each commission entry."""
    settings = settings_for(stack)
    with one_sentence_on_failure():
        steps = asyncio.run(timeline(settings, order))
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps], indent=2, default=str))
    else:
        print_timeline(order, steps, Console())
    raise typer.Exit(0 if steps else EXIT_BREACH)


async def timeline(settings: Settings, order: str) -> list[Step]:
    """The steps of whatever `order` names, oldest first."""
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    keys = [order, f"order/{order}"]
    try:
        await store.ping()
        steps: list[Step] = []
        for worker in roster.names():
            for where in ({"about": {"$in": keys}}, {"handled.id": order}, {"dead.id": order}):
                for record in await store.find(PREFIX + worker, where):
                    steps.extend(_steps(worker, record, set(keys)))
    finally:
        store.close()
    unique = {(step.worker, step.id, step.outcome, step.at): step for step in steps}
    return sorted(unique.values(), key=lambda step: step.at)


def _steps(worker: str, record: dict[str, Any], keys: set[str]) -> list[Step]:
    steps = []
    for handled in record.get("handled", ()):
        if keys & {handled["about"], handled["correlation"], handled["id"]}:
            emitted = tuple(json.loads(e["body"]) for e in record.get("emitted", ()) if e["cause"] == handled["id"])
            steps.append(Step(record["at"], worker, handled["id"], handled["type"], handled["outcome"], emitted))
    for kind in ("retried", "dead"):
        for back in record.get(kind, ()):
            if keys & {back["about"], back["id"]}:
                outcome = f"{kind} after try {back['attempt']}: {back['reason']}"
                steps.append(Step(record["at"], worker, back["id"], back["type"], outcome))
    return steps


def print_timeline(order: str, steps: list[Step], console: Console) -> None:
    if not steps:
        console.print(f"No journal knows {order!r}. An order is named shop_id/order_id.")
        return
    console.print(f"[bold]{order}[/]")
    for step in steps:
        console.print(
            f"{step.at:%H:%M:%S.%f}"[:-3] + f"  [cyan]{step.worker}[/]  {step.type} → [bold]{step.outcome}[/]",
            highlight=False,
            soft_wrap=True,
        )
        for message in step.emitted:
            console.print(f"{'':14}emits {message['type']}{_summary(message)}", highlight=False, soft_wrap=True)


def _summary(message: dict[str, Any]) -> str:
    """The part of a message that a person asks about."""
    data = message["data"]
    if message["type"].startswith("commission."):
        lines = [_entry(entry, data["currency"]) for entry in data["entries"]]
        lines += [
            f"level {u['level']}: distributor {u['distributor_id']} gets nothing ({u['reason']})"
            for u in data.get("unpaid", ())
        ]
        return f": {data['total']} {data['currency']}" + "".join(f"\n{'':20}{line}" for line in lines)
    if "detail" in data:
        return f": {data.get('reason', data.get('kind', ''))}: {data['detail']}"
    if "picks" in data:
        return ": " + ", ".join(f"{p['quantity']} of {p['product_id']} ({p['batch_id']})" for p in data["picks"])
    return ""


def _entry(entry: dict[str, Any], currency: str) -> str:
    rounding = f" (rounding {entry['rounding']:+d})" if entry["rounding"] else ""
    return (
        f"line {entry['line']} level {entry['level']}: distributor {entry['distributor_id']} "
        f"gets {entry['amount']} {currency} = {entry['base']} x {entry['rate']}{rounding}"
    )
