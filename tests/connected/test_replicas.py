"""Two processes of each busy worker compete for one product: together they sell the stock, and not one unit more."""

from __future__ import annotations

import re
from functools import partial

import aio_pika

from contracts.wire.envelope import COMMANDS_EXCHANGE
from tests.builders import CUP, TEA, a_placed_line, message, place
from tests.connected.running import BUSY, Site, free_ports, get, groups, until
from tests.workflow.conftest import set_up_commands

STOCK = 100
ORDERS = 300
UNITS = 3


async def handled(port: int, queue: str) -> int:
    """How many messages of a queue the process behind a health port has handled."""
    _, text = await get(port, "/metrics")
    found = re.search(rf'^tributary_handled_total{{queue="{re.escape(queue)}"}} (\d+)', text, re.MULTILINE)
    return int(found[1]) if found else 0


async def test_two_replicas_never_oversell_a_product(site: Site) -> None:
    """Orders of 1 to 3 teas and one cup, so that a rejected order has two lines to give up."""
    port = free_ports(2 * len(BUSY) + 1)
    orders = [
        place(str(number), lines=(a_placed_line(TEA, 1 + number % UNITS), a_placed_line(CUP, 1)), prepaid=True)
        for number in range(ORDERS)
    ]
    async with (
        site.processes(groups(replicas=2), health_port=port, batch_events_max=10, prefetch_commands=10) as fleet,
        site.channel() as channel,
    ):
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        for payload in set_up_commands(STOCK):
            await exchange.publish(aio_pika.Message(message(payload).to_bytes()), payload.message_type)
        await site.quiet()
        for number in range(len(fleet.members)):
            await until(partial(ready, port + number), what="every replica is ready", within_s=60)
        for order in orders:
            await exchange.publish(aio_pika.Message(message(order).to_bytes()), order.message_type)
        await until(lambda: all_decided(site), what="every order is decided", every_s=0.2)
        await site.quiet()
        shares = {
            name: [await handled(port + 2 * index + replica, queue) for replica in range(2)]
            for index, (name, queue) in enumerate(
                zip(
                    BUSY,
                    (
                        "order_intake.order.place",
                        "stock_reservation.order.accepted",
                        "commission_calculation.order.paid",
                    ),
                    strict=True,
                )
            )
        }

    tea = (await site.documents("stock_reservation.items", {"_id": TEA}))[0]
    [lot] = tea["lots"]
    stored = await site.documents("order_intake.orders")
    paid = [order for order in stored if order["status"] == "paid"]
    rejected = [order for order in stored if order["status"] == "rejected"]
    assert len(paid) + len(rejected) == ORDERS
    sold = sum(order["lines"][0]["quantity"] for order in paid)
    assert lot["reserved"] == sold <= STOCK
    # Less is left than the largest order needs.
    assert sold > STOCK - UNITS
    report = await site.assert_sound()
    assert report.figures["I2"]["orders_paid"] == len(paid)
    assert len(await site.documents("alerting.dead_letters")) == 0
    for name, counts in shares.items():
        assert min(counts) > 0, f"only one replica of {name} worked: {counts}"


async def all_decided(site: Site) -> bool:
    statuses = [order["status"] for order in await site.documents("order_intake.orders")]
    accrued = await site.documents("commission_calculation.commissions")
    return len(statuses) == ORDERS and "pending" not in statuses and len(accrued) == statuses.count("paid")


async def ready(port: int) -> bool:
    status, _ = await get(port, "/readyz")
    return status == 200
