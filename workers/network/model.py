"""The network as one message sees it. Its entities are the published view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.network.view import Distributor, Shop


@dataclass(frozen=True, slots=True)
class Network:
    """The shop or the distributors that a message names, where they exist."""

    shops: Mapping[str, Shop] = field(default_factory=dict)
    distributors: Mapping[int, Distributor] = field(default_factory=dict)

    def with_shop(self, shop: Shop) -> Self:
        return replace(self, shops={**self.shops, shop.shop_id: shop})

    def with_distributor(self, distributor: Distributor) -> Self:
        return replace(self, distributors={**self.distributors, distributor.distributor_id: distributor})
