"""Orders that a distributor's login places over HTTP: limited together, whichever batch or replica takes them."""

from __future__ import annotations

import asyncio
from collections import Counter

from contracts.network.v1 import RegisterDistributor, RegisterShop
from contracts.orders.v1 import UpdateStatus
from tests.builders import BY_DISTRIBUTOR, LOGIN, MARKET, MIDDLE, SELLER, SHOP, message, place, update
from tests.workflow.system import System

ORDERS = "order_intake.orders"


async def a_shop_with(system: System, **limits: int) -> None:
    await system.publish(RegisterShop(shop_id=SHOP, currency="CNY", market=MARKET, distributor_orders=True, **limits))
    await system.run_until_idle()


async def placed(system: System, *numbers: str, source: str = BY_DISTRIBUTOR, together: bool = False) -> None:
    messages = [message(place(number), time=system.time.now(), source=source) for number in numbers]
    if together:
        await system.send_together(messages)
    else:
        for each in messages:
            await system.send(each)
    await system.run_until_idle()


def statuses(system: System) -> dict[str, str]:
    return {order["order_id"]: order["status"] for order in system.documents(ORDERS)}


def reasons(system: System) -> Counter[str]:
    return Counter(event["data"]["reason"] for event in system.events("order.refused.v1"))


async def test_a_batch_counts_its_own_orders(system: System) -> None:
    await a_shop_with(system, distributor_unpaid_orders_max=2)

    await placed(system, "o-1", "o-2", "o-3", "o-4", together=True)

    assert statuses(system) == {"o-1": "pending", "o-2": "pending"}
    assert reasons(system) == {"too_many_unpaid_orders": 2}
    assert system.document("order_intake.placers", LOGIN)["turn"] == 2
    await system.assert_sound()


async def test_units_are_counted_across_batches_until_the_orders_are_paid_or_cancelled(system: System) -> None:
    await a_shop_with(system, distributor_unpaid_units_max=4)
    await placed(system, "o-1")
    await placed(system, "o-2")
    await placed(system, "o-3")
    assert set(statuses(system)) == {"o-1", "o-2"}

    await system.publish(update("paid", "o-1"))
    await system.run_until_idle()
    await placed(system, "o-4")
    assert set(statuses(system)) == {"o-1", "o-2", "o-4"}

    await system.publish(update("cancelled", "o-2"))
    await system.run_until_idle()
    await placed(system, "o-5")
    await placed(system, "o-6")
    assert set(statuses(system)) == {"o-1", "o-2", "o-4", "o-5"}
    assert reasons(system) == {"too_many_unpaid_units": 2}
    await system.assert_sound()


async def test_logins_and_shops_have_limits_of_their_own(system: System) -> None:
    await a_shop_with(system, distributor_unpaid_orders_max=1)

    await placed(system, "o-1", "o-2")
    await placed(system, "o-3", source="api/distributor/another")
    await placed(system, "4", "5", source="api/shop/shop.shop-1")
    await placed(system, "o-6", "o-7", source="api/admin/4f1c")

    assert set(statuses(system)) == {"o-1", "o-3", "4", "5", "o-6", "o-7"}
    assert {order["_id"] for order in system.documents("order_intake.placers")} == {LOGIN, "another"}


async def test_logins_of_one_distributor_have_one_limit(system: System) -> None:
    await a_shop_with(system, distributor_unpaid_orders_max=2)

    await placed(system, "o-1", source=f"api/distributor/first/{SELLER}")
    await placed(system, "o-2", "o-3", source=f"api/distributor/second/{SELLER}", together=True)
    await placed(system, "o-4", source=f"api/distributor/third/{MIDDLE}")

    assert set(statuses(system)) == {"o-1", "o-2", "o-4"}
    assert reasons(system) == {"too_many_unpaid_orders": 1}
    assert system.document("order_intake.placers", str(SELLER))["turn"] == 2
    await system.assert_sound()


async def test_new_logins_below_one_distributor_have_one_limit(system: System) -> None:
    """A chain of logins made one by another, in seconds: together they hold no more than one distributor."""
    await a_shop_with(system, distributor_unpaid_units_max=8)
    for number, sponsor in ((901, SELLER), (902, 901), (903, 902), (904, 903), (905, 904)):
        await system.publish(RegisterDistributor(distributor_id=number, sponsor_id=sponsor, tier="standard"))
        await system.run_until_idle()

    # Two units each, and one of them may hold two of the eight.
    await placed(system, "o-1", "o-1-more", source="api/distributor/a/901", together=True)
    for number in (2, 3, 4, 5):
        await placed(system, f"o-{number}", source=f"api/distributor/b/90{number}")
    assert set(statuses(system)) == {"o-1", "o-2", "o-3", "o-4"}
    assert reasons(system) == {"too_many_unpaid_units": 2}
    # Who invited them still orders, and after a week so do they.
    await placed(system, "o-6", source=f"api/distributor/d/{SELLER}")
    await system.pass_time(days=7)
    await placed(system, "o-7", source="api/distributor/c/903")
    assert {"o-6", "o-7"} <= set(statuses(system))
    await system.assert_sound()


async def test_a_redelivered_order_is_counted_once(system: System) -> None:
    await a_shop_with(system, distributor_unpaid_orders_max=2)
    await placed(system, "o-1", "o-1", "o-1")
    await placed(system, "o-2")

    assert set(statuses(system)) == {"o-1", "o-2"}


async def test_two_replicas_count_each_others_orders(system: System) -> None:
    """Each takes one order of the same login at the same time; the limit is one."""
    await a_shop_with(system, distributor_unpaid_orders_max=1)
    for number in ("o-1", "o-2"):
        await system.send(message(place(number), time=system.time.now(), source=BY_DISTRIBUTOR))
    system.loops += system.loops_with(system.broker)

    await asyncio.wait_for(system.run_until_idle(), 30)

    assert len(statuses(system)) == 1
    await system.assert_sound()


async def test_an_early_payment_ends_the_count(system: System) -> None:
    """The money arrives before the stock's answer."""
    await a_shop_with(system, distributor_unpaid_orders_max=1)
    await system.send(message(place("o-1"), time=system.time.now(), source=BY_DISTRIBUTOR))
    await system.publish(UpdateStatus(shop_id=SHOP, order_id="o-1", status="paid"))
    await system.run_until_idle(with_retries=True)

    await placed(system, "o-2")

    assert statuses(system) == {"o-1": "paid", "o-2": "pending"}
