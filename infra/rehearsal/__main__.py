"""A rehearsal in a process of its own, for the HTTP API: it reads what is asked as one JSON object and writes one.

`{"backtest": {…}}` or `{"move": {…}}` is answered with the figures that the command line writes for programs, or with
`{"refused": "…"}` where there is nothing to rehearse.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import uvloop

from contracts.rules.document import RuleDocument
from contracts.rules.terms import terms_of
from contracts.rules.view import Terms
from infra.adapters.mongo import MongoStore
from infra.collector import collect_seldom
from infra.rehearsal import move_view
from infra.rehearsal import stored_rules as rules_store
from infra.rehearsal import view as rehearsal_view
from infra.rehearsal.backtest import backtest, start_of
from infra.rehearsal.move import MoveImpossible, preview_move
from infra.settings import Settings


def main() -> None:
    json.dump(uvloop.run(_run(json.load(sys.stdin))), sys.stdout)


async def _run(asked: dict[str, Any]) -> dict[str, Any]:
    collect_seldom()
    async with rules_store.opened(Settings()) as store:
        if "move" in asked:
            return await _move(store, asked["move"])
        return await _backtest(store, asked["backtest"])


async def _backtest(store: MongoStore, asked: dict[str, Any]) -> dict[str, Any]:
    """With the distributors of each currency who gain most and who lose most, `distributors_max` of them."""
    terms = await _terms(store, asked)
    if terms is None:
        return {"refused": f"There are no rules {asked['rule_version']}."}
    first, last = date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])
    found = await backtest(store, terms, first, last, margin_floor_ppm=asked["margin_floor_ppm"])
    told = rehearsal_view.as_object(found)
    for comparison in told["currencies"].values():
        shown = asked["distributors_max"]
        changes = comparison["distributors"]
        if len(changes) > shown:
            comparison["distributors"] = [*changes[: shown // 2], *changes[-shown // 2 :]]
    return told


async def _terms(store: MongoStore, asked: dict[str, Any]) -> Terms | None:
    if asked["rules"] is not None:
        return terms_of(RuleDocument.model_validate(asked["rules"]))
    rules = await rules_store.rules_of(store, asked["rule_version"])
    return rules.terms if rules is not None else None


async def _move(store: MongoStore, asked: dict[str, Any]) -> dict[str, Any]:
    begin, end = (start_of(date.fromisoformat(asked[name])) for name in ("from", "before"))
    try:
        found = await preview_move(store, asked["distributor_id"], asked["sponsor_id"], begin, end)
    except MoveImpossible as error:
        return {"refused": str(error)}
    return move_view.as_object(found)


if __name__ == "__main__":
    main()
