"""Loads and saves shops and distributors; both collections are published views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from contracts.envelope import Message
from contracts.network.v1 import RegisterShop
from contracts.network.view import DISTRIBUTORS, SHOPS, Distributor, Shop
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Index, Transaction
from workers.network.model import Network

_shops = Codec(Shop, key="shop_id")
_distributors = Codec(Distributor, key="distributor_id")
to_distributor = _distributors.to_entity


class NetworkRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(SHOPS, "shops by id"),
        Collection(
            DISTRIBUTORS,
            "distributors by id, each with its upline and the history of its standing",
            (Index((("sponsor_id", 1),), "whom a distributor sponsors", sparse=True),),
        ),
    )

    def __init__(self, shops: Loaded[str, Shop], distributors: Loaded[int, Distributor]) -> None:
        self._shops = shops
        self._distributors = distributors

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        shops = await _shops.fetch(tx, SHOPS, (key for message in messages for key in _shop_keys(message)))
        named = (key for message in messages for key in _distributor_keys(message))
        return cls(shops, await _distributors.fetch(tx, DISTRIBUTORS, named))

    def state_for(self, message: Message[Any]) -> Network:
        return Network(
            self._shops.pick(_shop_keys(message)),
            self._distributors.pick(_distributor_keys(message)),
        )

    def keep(self, state: Network) -> None:
        self._shops.keep(state.shops)
        self._distributors.keep(state.distributors)

    async def save(self, tx: Transaction) -> None:
        await _shops.save(tx, SHOPS, self._shops)
        await _distributors.save(tx, DISTRIBUTORS, self._distributors)


def _shop_keys(message: Message[Any]) -> list[str]:
    return [message.data.shop_id] if isinstance(message.data, RegisterShop) else []


def _distributor_keys(message: Message[Any]) -> list[int]:
    """The distributor a message is about, and the sponsor it names."""
    data = message.data
    if isinstance(data, RegisterShop):
        return []
    sponsor_id = getattr(data, "sponsor_id", None)
    return [data.distributor_id] if sponsor_id is None else [data.distributor_id, sponsor_id]
