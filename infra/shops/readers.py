"""Which shops read their events from the broker, and which have webhooks: only these get copies, so others cost
nothing.
"""

from __future__ import annotations

import structlog

from contracts.webhooks.view import WEBHOOKS
from infra.ports.store import Collection, Index, Reader, StoreUnavailable
from infra.ports.time import Time

log = structlog.get_logger()

READERS = Collection(
    "shops.readers",
    "shops that have, or had, a login at the broker, where they read their events",
    (Index((("ended_at", 1),), "those that have one"),),
)
REFRESH_S = 5.0


class Readers:
    """The ids of these shops, at most `REFRESH_S` old; while the store is away, those of before."""

    def __init__(self, store: Reader, time: Time) -> None:
        self._store = store
        self._time = time
        self._shops: frozenset[str] = frozenset()
        self._with_webhooks: frozenset[str] = frozenset()

    def shops(self) -> frozenset[str]:
        return self._shops

    def with_webhooks(self) -> frozenset[str]:
        return self._with_webhooks

    async def load(self) -> None:
        found = await self._store.find(READERS.name, {"ended_at": None}, fields=("_id",))
        self._shops = frozenset(shop["_id"] for shop in found)
        enabled = await self._store.find(WEBHOOKS, {"state": "enabled"}, fields=("shop_id",))
        self._with_webhooks = frozenset(webhook["shop_id"] for webhook in enabled)

    async def keep_fresh(self) -> None:
        while True:
            await self._time.sleep(REFRESH_S)
            try:
                await self.load()
            except StoreUnavailable as error:
                log.info("readers_not_loaded", error=str(error), consequence="shops that began to read are found later")
