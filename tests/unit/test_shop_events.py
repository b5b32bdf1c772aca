"""Events of orders are copied for the shops that read them, each shop by itself."""

from __future__ import annotations

import json

from contracts.orders.v1 import UnpaidCancelled
from contracts.wire import catalogue
from contracts.wire.envelope import BATCH, SHOP_EVENTS_EXCHANGE, Payload, emit
from infra.runtime.journal import Emitted
from infra.runtime.outbox import events_for_shops
from infra.settings import Settings
from infra.shops.readers import READERS, Readers
from tests.builders import NOW, accepted, message, paid, place
from tests.stock_builders import reserved
from tests.workflow.in_memory import InMemoryStore, ManualTime

SETTINGS = Settings.model_construct(batch_events_max=2)


def emitted(payload: Payload, number: int = 0) -> Emitted:
    event = emit(payload, cause=message(place()), source="order_intake", index=number, at=NOW)
    return Emitted("cause", event.id, event.type, event.to_bytes())


def copies(events: list[Emitted], *shops: str) -> list[tuple[str, list[str]]]:
    found = events_for_shops(events, SETTINGS, frozenset(shops))
    assert all((each.exchange, each.content_type) == (SHOP_EVENTS_EXCHANGE, BATCH) for each in found)
    # A shop may have deleted its queue by ending its login: nothing waits for it then.
    assert not any(each.mandatory for each in found)
    return [(each.routing_key, [event["data"]["shop_id"] for event in json.loads(each.body)]) for each in found]


def test_each_shop_that_reads_gets_its_own_alone() -> None:
    events = [emitted(accepted(shop_id=shop)) for shop in ("a", "b", "a.b", "c")]

    assert copies(events, "a", "a.b") == [("a", ["a"]), ("a.b", ["a.b"])]


def test_without_a_reader_nothing_is_copied() -> None:
    assert copies([emitted(accepted(shop_id="a"))]) == []


def test_events_about_other_things_are_not_copied() -> None:
    order = emitted(accepted(shop_id="a"))
    others = [emitted(reserved((501, "default", 1)).model_copy(update={"shop_id": "a"}))]

    assert copies([*others, order], "a") == [("a", ["a"])]


def test_many_events_of_a_shop_are_packed_in_their_order() -> None:
    events = [emitted(accepted(shop_id="a")), emitted(paid(shop_id="a"), 1), emitted(accepted(shop_id="a"), 2)]
    found = events_for_shops(events, SETTINGS, frozenset(["a"]))

    bodies = [event for each in found for event in json.loads(each.body)]
    assert [len(json.loads(each.body)) for each in found] == [2, 1]
    assert bodies == [json.loads(event.body) for event in events]


def test_an_event_about_orders_of_many_shops_is_copied_for_none() -> None:
    """It names no shop: that ended the worker as soon as one shop had a login."""
    answer = UnpaidCancelled(product_id=501, request=1, orders=("a/1",), last_placed_at=NOW, last_order="a/1")

    assert copies([emitted(answer), emitted(accepted(shop_id="a"))], "a") == [("a", ["a"])]


def test_every_other_event_of_an_order_names_its_shop() -> None:
    of_orders = [
        name
        for name, payload in catalogue.ALL.items()
        if name.startswith("order.") and catalogue.kind_of(payload) == "event" and "shop_id" not in payload.model_fields
    ]

    assert of_orders == [UnpaidCancelled.message_type]


def test_events_for_one_shop_alone_are_no_events_of_orders() -> None:
    """An answer is addressed already; it must not be copied as well."""
    alone = [name for name, payload in catalogue.ALL.items() if payload.to_one_shop]

    assert alone == ["message.answered.v1"]


async def test_readers_are_the_shops_whose_login_did_not_end() -> None:
    store = InMemoryStore([READERS])

    async def note(shop: str, ended: bool) -> None:
        document = {"_id": shop, "changed_at": NOW, "ended_at": NOW if ended else None}
        await store.transact(lambda tx: tx.replace(READERS.name, [document]))

    readers = Readers(store, ManualTime(NOW))
    assert readers.shops() == frozenset()
    await note("a", ended=False)
    await note("b", ended=False)
    assert readers.shops() == frozenset(), "read again on request"
    await readers.load()
    assert readers.shops() == {"a", "b"}

    await note("a", ended=True)
    await readers.load()
    assert readers.shops() == {"b"}
