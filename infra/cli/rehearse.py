"""A backtest in a process of its own, for the HTTP API: it reads one JSON object and writes one.

Rehearsing keeps a core busy for as long as it takes; beside the API's loop, every request would wait for it.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import uvloop

from contracts.rules.document import RuleDocument
from contracts.rules.terms import terms_of
from contracts.rules.view import RULES, RuleSet, Terms
from infra.adapters.mongo import MongoStore
from infra.cli import rules_store
from infra.cli.rehearsal_view import as_object
from infra.rehearsal.backtest import backtest, collect_seldom
from infra.runtime.repository import Codec
from infra.runtime.settings import Settings

_rules = Codec(RuleSet, key="rule_version")


def main() -> None:
    """Exit with 0 and the figures, or with 1 and nothing where there are no such rules."""
    asked: dict[str, Any] = json.load(sys.stdin)
    told = uvloop.run(_run(asked))
    if told is None:
        raise SystemExit(1)
    json.dump(told, sys.stdout)


async def _run(asked: dict[str, Any]) -> dict[str, Any] | None:
    collect_seldom()
    async with rules_store.opened(Settings()) as store:
        terms = await _terms(store, asked)
        if terms is None:
            return None
        first, last = date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])
        found = await backtest(store, terms, first, last, margin_floor_ppm=asked["margin_floor_ppm"])
    told = as_object(found)
    for comparison in told["currencies"].values():
        shown = asked["distributors_max"]
        changes = comparison["distributors"]
        comparison["distributors"] = (
            changes if len(changes) <= shown else [*changes[: shown // 2], *changes[-shown // 2 :]]
        )
    return told


async def _terms(store: MongoStore, asked: dict[str, Any]) -> Terms | None:
    if asked.get("rules") is not None:
        return terms_of(RuleDocument.model_validate(asked["rules"]))
    found = await store.find(RULES, {"_id": asked["rule_version"]})
    return _rules.to_entity(found[0]).terms if found else None


if __name__ == "__main__":
    main()
