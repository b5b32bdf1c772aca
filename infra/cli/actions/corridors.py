"""`tributary corridors`: listed, defined, opened and closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import TypeAdapter

from contracts.corridors.v1 import ApproveCorridor, CloseCorridor, DefineCorridor
from contracts.corridors.view import CORRIDORS, Corridor
from contracts.explanation.statement_sentences import amount_text
from contracts.javascript import all_exact
from infra.cli.actions.changing import change, command_of, who, whole_digest
from infra.rehearsal.stored_rules import opened
from infra.statements.corridors import corridor_with, to_corridor
from infra.terminal.environment import EXIT_USAGE, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen

_SHOWN_MAX = 1_000

_corridor: TypeAdapter[Corridor] = TypeAdapter(Corridor)


class NewCorridor(NamedTuple):
    """A corridor as it was typed."""

    corridor_id: str
    rail: str
    from_country: str
    to_country: str
    currencies: list[str]
    limit_per_payment: list[str]
    limit_per_year: list[str]


def list_corridors(stack: str, *, every: bool, as_json: bool) -> None:
    async def read() -> list[Corridor]:
        async with opened(settings_for(stack)) as store:
            where = {} if every else {"state": {"$in": ["proposed", "open"]}}
            newest = (("proposed_at", -1), ("_id", -1))
            found = await store.find(CORRIDORS, where, sort=newest, limit=_SHOWN_MAX)
            return [to_corridor(document) for document in found]

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        print_text(json.dumps(all_exact([_corridor.dump_python(one, mode="json") for one in found]), indent=2))
    elif not found:
        print_line("There are no corridors; `tributary corridors define` proposes one.")
    else:
        rows = [_row(one) for one in found]
        grid = Grid(*rows[0])
        for row in rows:
            grid.add_row(*row.values())
        Screen().print(grid)


def define(given: NewCorridor, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    fields = {
        **given._asdict(),
        "limit_per_payment": _limits("--per-payment", given.limit_per_payment),
        "limit_per_year": _limits("--per-year", given.limit_per_year),
        "proposed_by": who(by),
    }
    change(stack, command_of(DefineCorridor, **fields), wait, as_json)


def approve(corridor_id: str, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    whole = whole_digest(f"corridor {corridor_id}", digest, stack, lambda store: corridor_with(store, corridor_id))
    fields = {"corridor_id": corridor_id, "digest": whole, "approved_by": who(by)}
    change(stack, command_of(ApproveCorridor, **fields), wait, as_json)


def close(corridor_id: str, reason: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    fields = {"corridor_id": corridor_id, "reason": reason, "closed_by": who(by)}
    change(stack, command_of(CloseCorridor, **fields), wait, as_json)


def _limits(option: str, typed: Iterable[str]) -> list[dict[str, str]]:
    limits = []
    for text in typed:
        currency, given, amount = text.partition("=")
        if not given:
            refuse(f"{option}: write a currency and an amount, such as USD=10000.00.", EXIT_USAGE)
        limits.append({"currency": currency, "amount": amount})
    return limits


def _row(corridor: Corridor) -> dict[str, str]:
    return {
        "corridor": corridor.corridor_id,
        "rail": corridor.rail,
        "from": corridor.from_country,
        "to": corridor.to_country,
        "currencies": ", ".join(corridor.currencies),
        "per payment": _text(corridor.limit_per_payment),
        "per year": _text(corridor.limit_per_year),
        "state": corridor.state,
        "proposed by": corridor.proposed_by,
        "approved by": corridor.approved_by or "",
        "digest": corridor.digest,
    }


def _text(limits: Mapping[str, int]) -> str:
    return ", ".join(f"{amount_text(minor, currency)} {currency}" for currency, minor in limits.items())
