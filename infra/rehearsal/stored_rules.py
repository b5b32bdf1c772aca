"""Reading rule sets and markets from the store, for the commands that show them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.plans.compliance import DEFAULTS
from contracts.rules.view import MARKETS, RULES, Market, RuleSet
from infra.adapters.mongo import MongoStore
from infra.runtime.repository import Codec
from infra.settings import Settings

_rules = Codec(RuleSet, key="rule_version")
_markets = Codec(Market, key="market")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[MongoStore]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        yield store
    finally:
        store.close()


async def all_rules(store: MongoStore) -> list[RuleSet]:
    return [_rules.to_entity(document) for document in await store.find(RULES, {}, sort=(("_id", 1),))]


async def rules_of(store: MongoStore, version: int) -> RuleSet | None:
    found = await store.find(RULES, {"_id": version})
    return _rules.to_entity(found[0]) if found else None


async def market_of(store: MongoStore, name: str) -> Market | None:
    """The market as defined; the default market has limits without a definition."""
    found = await store.find(MARKETS, {"_id": name})
    if not found:
        return DEFAULTS if name == DEFAULTS.market else None
    return _markets.to_entity(found[0])


async def market_names(store: MongoStore) -> list[str]:
    """All markets, including the default one."""
    return sorted({DEFAULTS.market, *(document["_id"] for document in await store.find(MARKETS, {}, fields=("_id",)))})
