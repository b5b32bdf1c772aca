"""Scenarios of the workers around the order: alerts, and the reference data that orders are checked against."""

from __future__ import annotations

from decimal import Decimal

from contracts.catalog.v1 import DefineProduct
from contracts.network.v1 import ChangeDistributor, RegisterDistributor, RegisterShop
from contracts.operations.v1 import MessageDeadLettered, SettleDeadLetter
from contracts.rules.v1 import PublishRules
from contracts.rules.v1 import SalesTarget as TargetWish
from contracts.stock.v1 import StockLow, StockRecovered
from tests.builders import (
    CUP,
    CUPS,
    JOINED,
    MIDDLE,
    NOW,
    SHOP,
    TEA,
    TEAS,
    TOP,
    message,
)
from tests.faults.crash_scenario import LATER, Scenario, noise, say


def alerting() -> Scenario:
    """Without a message that dies here: its letter would come back to this worker, with the time of the wall clock."""
    low = StockLow(product_id=TEA, available=3, low_at=3, crossing=1)
    letters = [
        MessageDeadLettered(
            worker="order_intake",
            queue="order_intake.order.place",
            message_id=name,
            type="order.place.v2",
            reason="malformed_json",
            detail="body: no JSON.",
            attempts=1,
            body="?",
        )
        for name in ("letter-1", "letter-2")
    ]
    discard = [SettleDeadLetter(letter_id=message(letter).id, action="discarded", by="li.na") for letter in letters]
    return Scenario(
        "alerting",
        (
            (say(low), say(low), say(low, again=1)),
            (say(StockRecovered(product_id=TEA, available=9, recovered_at=6, crossing=2)),),
            (say(StockLow(product_id=TEA, available=2, low_at=3, crossing=3)),),
            (*map(say, letters), say(letters[0])),
            (
                *map(say, discard),
                say(discard[0], again=1),
                say(discard[0].model_copy(update={"action": "replayed"})),
                say(SettleDeadLetter(letter_id="no-such-letter", action="discarded", by="li.na")),
            ),
        ),
        frozenset(["raised", "outdated", "resolved", "counted", "discarded", "replayed", "duplicate", "refused"]),
        {},
        dead=0,
    )


def network() -> Scenario:
    shop = RegisterShop(shop_id=SHOP, currency="CNY")
    top = RegisterDistributor(distributor_id=TOP, joined_at=JOINED)
    change = ChangeDistributor(distributor_id=TOP, tier="gold", effective_at=LATER)
    return Scenario(
        "network",
        (
            (
                say(RegisterDistributor(distributor_id=MIDDLE, sponsor_id=TOP, joined_at=JOINED)),
                say(top),
                say(top, again=1),
                say(RegisterDistributor(distributor_id=4, sponsor_id=4)),
                say(RegisterDistributor(distributor_id=5, sponsor_id=99)),
            ),
            (
                say(shop),
                say(shop),
                say(shop, again=1),
                say(RegisterShop(shop_id=SHOP, currency="EUR")),
                noise(shop.message_type),
            ),
            (
                say(change),
                say(change, again=1),
                say(ChangeDistributor(distributor_id=TOP, active=False, effective_at=NOW)),
                say(ChangeDistributor(distributor_id=98, active=False)),
            ),
        ),
        frozenset(["registered", "unchanged", "refused", "duplicate", "changed"]),
        {},
        dead=1,
    )


def catalog() -> Scenario:
    tea = DefineProduct(product_id=TEA, name="tea", category_id=TEAS)
    return Scenario(
        "catalog",
        (
            (say(tea), say(tea), say(tea, again=1), say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS))),
            (say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)), noise(tea.message_type)),
        ),
        frozenset(["defined", "unchanged"]),
        {},
        dead=1,
    )


def rule_book() -> Scenario:
    first = PublishRules(
        rule_version=1, effective_from=JOINED, rates=(Decimal("0.10"), Decimal("0.05")), pool_rate=Decimal("0.20")
    )
    odd = TargetWish(reward="monthly_sales", currency="CNY", target=Decimal("1.001"), bonus=Decimal(1))
    return Scenario(
        "rule_book",
        (
            (
                say(first),
                say(first),
                say(first, again=1),
                say(first.model_copy(update={"pool_rate": Decimal("0.30")})),
                say(first.model_copy(update={"rule_version": 2, "targets": (odd,)})),
                noise(first.message_type),
            ),
            (say(first.model_copy(update={"rule_version": 2})),),
        ),
        frozenset(["published", "unchanged", "refused"]),
        {},
        dead=1,
    )
