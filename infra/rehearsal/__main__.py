"""A rehearsal in a separate process, for the HTTP API: reads a request as one JSON object and writes one.

`{"backtest": {…}}` or `{"move": {…}}` is answered with the same figures as the command line's JSON, or with
`{"refused": "…"}` if there is nothing to rehearse.
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


async def _run(request: dict[str, Any]) -> dict[str, Any]:
    collect_seldom()
    async with rules_store.opened(Settings()) as store:
        if "move" in request:
            return await _move(store, request["move"])
        return await _backtest(store, request["backtest"])


async def _backtest(store: MongoStore, request: dict[str, Any]) -> dict[str, Any]:
    """The backtest, with at most `distributors_max` of each currency: those who gain and who lose most."""
    terms = await _terms(store, request)
    if terms is None:
        return {"refused": f"There is no rule set {request['rule_version']}."}
    first, last = date.fromisoformat(request["from"]), date.fromisoformat(request["to"])
    found = await backtest(store, terms, first, last, margin_floor_ppm=request["margin_floor_ppm"])
    figures = rehearsal_view.as_object(found)
    for comparison in figures["currencies"].values():
        shown = request["distributors_max"]
        changes = comparison["distributors"]
        if len(changes) > shown:
            comparison["distributors"] = [*changes[: shown // 2], *changes[-shown // 2 :]]
    return figures


async def _terms(store: MongoStore, request: dict[str, Any]) -> Terms | None:
    if request["rules"] is not None:
        return terms_of(RuleDocument.model_validate(request["rules"]))
    rules = await rules_store.rules_of(store, request["rule_version"])
    return rules.terms if rules is not None else None


async def _move(store: MongoStore, request: dict[str, Any]) -> dict[str, Any]:
    begin, end = (start_of(date.fromisoformat(request[name])) for name in ("from", "before"))
    try:
        found = await preview_move(store, request["distributor_id"], request["sponsor_id"], begin, end)
    except MoveImpossible as error:
        return {"refused": str(error)}
    return move_view.as_object(found)


if __name__ == "__main__":
    main()
