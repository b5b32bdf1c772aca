"""The steps of an order as plain FastStream handlers: typed, one message, one handler, one write at a time.

As in FastStream's tutorial, with the guarantees made explicit: quorum queues, persistent and confirmed publishing, a
prefetch limit, and no acknowledgement before the broker has the next step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue
from pymongo.errors import BulkWriteError, DuplicateKeyError

from contracts.orders.v2 import PlaceOrder
from tests.bench.peers import steps
from tests.bench.peers.place import Place
from tests.bench.peers.reference import BALANCES, DISTRIBUTORS, PRODUCTS, SHOPS, STOCK
from tests.bench.peers.steps import Accepted

PREFETCH = 20
"""For each queue. The fastest of 5, 10, 20, 50 and 100, in two runs."""

place = Place.of_process()
broker = RabbitBroker(
    place.rabbitmq_url,
    default_channel=Channel(prefetch_count=PREFETCH, on_return_raises=True),
    log_level=logging.DEBUG,  # FastStream's lines about each message; at INFO they are two lines a message.
)
app = FastStream(broker)


Wiring = Callable[[Callable[..., Any]], Any]


class Stores:
    """The database, set when the loop starts."""

    database: Any


@app.on_startup
async def connect() -> None:
    Stores.database = place.motor()


def queue(step: str) -> RabbitQueue:
    return RabbitQueue(place.queue(step), queue_type=QueueType.QUORUM, durable=True)


def subscriber(step: str) -> Wiring:
    channel = Channel(prefetch_count=PREFETCH)
    return broker.subscriber(queue(step), channel=channel, ack_policy=AckPolicy.NACK_ON_ERROR)


def publisher(step: str) -> Wiring:
    return broker.publisher(queue(step), persist=True)


@subscriber(steps.TAKE_IN)
@publisher(steps.RESERVE)
async def take_in(order: PlaceOrder) -> Accepted:
    accepted, category_id = await look_up(order)
    await insert(steps.ORDERS, steps.order_document(order, accepted, category_id=category_id))
    return accepted


@subscriber(steps.RESERVE)
@publisher(steps.MARK_PAID)
async def reserve(order: Accepted) -> Accepted | None:
    stock = Stores.database[STOCK]
    taken = (await stock.update_one(*steps.take_stock(order))).matched_count
    if not taken and not await stock.find_one(steps.stock_taken(order)):
        await Stores.database[steps.ORDERS].update_one(*steps.reject(order))
        return None
    await insert(steps.RESERVATIONS, steps.reservation(order))
    return order


@subscriber(steps.MARK_PAID)
@publisher(steps.PAY_COMMISSION)
async def mark_paid(order: Accepted) -> Accepted:
    await Stores.database[steps.ORDERS].update_one(*steps.pay(order))
    return order


@subscriber(steps.PAY_COMMISSION)
@publisher(steps.COUNT_SALE)
async def pay_commission(order: Accepted) -> Accepted:
    try:
        await Stores.database[steps.LEDGER].insert_many(steps.ledger_entries(order), ordered=False)
    except BulkWriteError as error:
        if not steps.is_repeat(error):
            raise
    await Stores.database[BALANCES].bulk_write(steps.add_to_balances(order), ordered=False)
    return order


@subscriber(steps.COUNT_SALE)
async def count_sale(order: Accepted) -> None:
    progress = Stores.database[steps.PROGRESS]
    if not (await progress.update_one(*steps.add_to_progress(order))).matched_count:
        await insert(steps.PROGRESS, steps.first_progress(order))
        # Meanwhile another order may have been the first of the month.
        await progress.update_one(*steps.add_to_progress(order))
    await insert(steps.COUNTED, {"_id": order.key})


async def look_up(order: PlaceOrder) -> tuple[Accepted, int]:
    db = Stores.database
    shop = await db[SHOPS].find_one({"_id": order.shop_id})
    product = await db[PRODUCTS].find_one({"_id": order.lines[0].product_id})
    seller = await db[DISTRIBUTORS].find_one({"_id": order.distributor_id})
    if shop is None or product is None or seller is None:
        raise steps.UnknownReference(order.key)
    known = {each["_id"] async for each in db[DISTRIBUTORS].find({"_id": {"$in": seller["upline"]}})}
    upline = [distributor_id for distributor_id in seller["upline"] if distributor_id in known]
    return steps.accept(order, currency=shop["currency"], upline=upline), product["category_id"]


async def insert(collection: str, document: dict[str, Any]) -> None:
    """Insert, or keep the existing document."""
    with suppress(DuplicateKeyError):
        await Stores.database[collection].insert_one(document)


if __name__ == "__main__":
    uvloop.run(app.run())
