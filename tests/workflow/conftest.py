"""A system whose stage is set: shop, sponsors, products, stock and rules, as `tests.builders` describes them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contracts.catalog.v1 import DefineProduct
from contracts.envelope import Payload
from contracts.network.v1 import RegisterDistributor, RegisterShop
from contracts.rules.v1 import PublishRules
from tests.builders import CUP, CUPS, JOINED, MIDDLE, SELLER, SHOP, TEA, TEAS, TOP, receive
from tests.workflow.system import System

STOCK = 100


def the_stage(stock: int = STOCK) -> list[Payload]:
    """The commands that make the shared world, in the order in which it has to be made."""
    return [
        RegisterShop(shop_id=SHOP, currency="CNY"),
        RegisterDistributor(distributor_id=TOP, joined_at=JOINED),
        RegisterDistributor(distributor_id=MIDDLE, sponsor_id=TOP, joined_at=JOINED),
        RegisterDistributor(distributor_id=SELLER, sponsor_id=MIDDLE, joined_at=JOINED),
        DefineProduct(product_id=TEA, name="tea", category_id=TEAS),
        DefineProduct(product_id=CUP, name="cup", category_id=CUPS),
        receive("r-tea", TEA, stock),
        receive("r-cup", CUP, stock),
        PublishRules(
            rule_version=1,
            effective_from=JOINED,
            rates=(Decimal("0.10"), Decimal("0.05"), Decimal("0.03")),
            pool_rate=Decimal("0.20"),
        ),
    ]


async def set_the_stage(system: System, stock: int = STOCK) -> System:
    await system.publish(*the_stage(stock))
    await system.settle()
    return system


@pytest.fixture
async def system() -> System:
    return await set_the_stage(System())
