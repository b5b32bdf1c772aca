"""A system with a shop, sponsors, products, stock and rules, as `tests.builders` describes them."""

from __future__ import annotations

import pytest

from contracts.catalog.v1 import DefineProduct
from contracts.network.v1 import RegisterDistributor, RegisterShop
from contracts.rules.document import RuleDocument
from contracts.wire.envelope import Payload
from tests.builders import CUP, CUPS, JOINED, MARKET, MIDDLE, SELLER, SHOP, TEA, TEAS, TOP, put_in_force
from tests.stock_builders import receive
from tests.workflow.system import System

STOCK = 100


def set_up_commands(stock: int = STOCK, rules: RuleDocument | None = None) -> list[Payload]:
    """The commands that create the shared data, in the sequence that they need."""
    return [
        RegisterShop(shop_id=SHOP, currency="CNY", market=MARKET),
        RegisterDistributor(distributor_id=TOP, joined_at=JOINED),
        RegisterDistributor(distributor_id=MIDDLE, sponsor_id=TOP, joined_at=JOINED),
        RegisterDistributor(distributor_id=SELLER, sponsor_id=MIDDLE, joined_at=JOINED),
        DefineProduct(product_id=TEA, name="tea", category_id=TEAS),
        DefineProduct(product_id=CUP, name="cup", category_id=CUPS),
        receive("r-tea", TEA, stock),
        receive("r-cup", CUP, stock),
        *put_in_force(rules),
    ]


async def set_up(system: System, stock: int = STOCK, rules: RuleDocument | None = None) -> System:
    await system.publish(*set_up_commands(stock, rules))
    await system.run_until_idle()
    return system


@pytest.fixture
async def system() -> System:
    return await set_up(System())
