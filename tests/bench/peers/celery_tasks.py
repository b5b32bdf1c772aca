"""The steps of an order as Celery tasks. Each publishes the next: `celery -A tests.bench.peers.celery_tasks`.

A task may run twice: every write detects its own repeat and does nothing. A repeat still publishes the next step,
because the first run may have ended before it did.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from contracts.orders.v2 import PlaceOrder
from tests.bench.peers import steps
from tests.bench.peers.celery_app import app_of
from tests.bench.peers.place import Place
from tests.bench.peers.reference import BALANCES, DISTRIBUTORS, PRODUCTS, SHOPS, STOCK
from tests.bench.peers.steps import Accepted

place = Place.of_process()
app = app_of(place)
database = place.pymongo()
task: Callable[[Callable[..., None]], Any] = app.task(autoretry_for=(PyMongoError,), retry_backoff=True)


@task
def take_in(body: str) -> None:
    order = PlaceOrder.model_validate_json(body)
    accepted, category_id = look_up(order)
    insert(steps.ORDERS, steps.order_document(order, accepted, category_id=category_id))
    reserve.delay(accepted.model_dump())


@task
def reserve(message: dict[str, Any]) -> None:
    order = Accepted.model_validate(message)
    stock = database[STOCK]
    taken = stock.update_one(*steps.take_stock(order)).matched_count or stock.find_one(steps.stock_taken(order))
    if not taken:
        database[steps.ORDERS].update_one(*steps.reject(order))
        return
    insert(steps.RESERVATIONS, steps.reservation(order))
    mark_paid.delay(message)


@task
def mark_paid(message: dict[str, Any]) -> None:
    database[steps.ORDERS].update_one(*steps.pay(Accepted.model_validate(message)))
    pay_commission.delay(message)


@task
def pay_commission(message: dict[str, Any]) -> None:
    order = Accepted.model_validate(message)
    try:
        database[steps.LEDGER].insert_many(steps.ledger_entries(order), ordered=False)
    except BulkWriteError as error:
        if not steps.is_repeat(error):
            raise
    database[BALANCES].bulk_write(steps.add_to_balances(order), ordered=False)
    count_sale.delay(message)


@task
def count_sale(message: dict[str, Any]) -> None:
    order = Accepted.model_validate(message)
    progress = database[steps.PROGRESS]
    if not progress.update_one(*steps.add_to_progress(order)).matched_count:
        insert(steps.PROGRESS, steps.first_progress(order))
        # Meanwhile another order may have been the first of the month.
        progress.update_one(*steps.add_to_progress(order))
    insert(steps.COUNTED, {"_id": order.key})


def look_up(order: PlaceOrder) -> tuple[Accepted, int]:
    db = database
    shop = db[SHOPS].find_one({"_id": order.shop_id})
    product = db[PRODUCTS].find_one({"_id": order.lines[0].product_id})
    seller = db[DISTRIBUTORS].find_one({"_id": order.distributor_id})
    if shop is None or product is None or seller is None:
        raise steps.UnknownReference(order.key)
    known = {each["_id"] for each in db[DISTRIBUTORS].find({"_id": {"$in": seller["upline"]}})}
    upline = [distributor_id for distributor_id in seller["upline"] if distributor_id in known]
    return steps.accept(order, currency=shop["currency"], upline=upline), product["category_id"]


def insert(collection: str, document: dict[str, Any]) -> None:
    """Insert, or keep the existing document."""
    with suppress(DuplicateKeyError):
        database[collection].insert_one(document)
