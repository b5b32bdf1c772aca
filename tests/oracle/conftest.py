"""The real baskets of the comparison and the rule sets for them, read once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from infra.demo.baskets import Basket
from tests.oracle.documents import Document, drawn, written
from tests.oracle.oracle import Order
from tests.oracle.worlds import Network, best_selling, categories_of_products, real_baskets
from tests.sampling import sampled

BASKETS = sampled(3_000, whole=20_000)
DRAWN = 40
BEST_SELLING = 10


@dataclass(frozen=True)
class Sold:
    """`by_hand` and `by_seed` are rule sets that name the products and categories that sold best."""

    baskets: list[Basket]
    categories: dict[int, int]
    network: Network
    by_hand: list[Document]
    by_seed: list[Document]

    def order(self, number: int, currency: str) -> Order:
        return self.network.order(self.baskets[number], currency, self.categories)


@pytest.fixture(scope="package")
def sold() -> Sold:
    baskets = real_baskets(BASKETS)
    categories = categories_of_products()
    best = best_selling(baskets, categories, BEST_SELLING)
    return Sold(
        baskets,
        categories,
        Network(400, seed=4),
        by_hand=written(*best),
        by_seed=[drawn(seed, *best) for seed in range(DRAWN)],
    )
