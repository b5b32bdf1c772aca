"""Events of orders are copied for the shops that read them, each shop by itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from api.orders.view import LineView, OrderView, SponsorView
from contracts.orders.v1 import OrderAccepted, OrderLine, OrderPaid, RefundedLine, Team, UnpaidCancelled, Upline
from contracts.wire import catalogue
from contracts.wire.envelope import BATCH, SHOP_EVENTS_EXCHANGE, Payload, emit
from infra.runtime.journal import Emitted
from infra.runtime.outbox import events_for_shops
from infra.settings import Settings
from infra.shops.readers import READERS, Readers
from tests.builders import NOW, accepted, message, paid, place
from tests.stock_builders import reserved
from tests.workflow.in_memory import InMemoryStore, ManualTime
from workers.shop_webhooks.repository import WebhookRepository

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
    assert [event["id"] for event in bodies] == [json.loads(event.body)["id"] for event in events]


@pytest.mark.parametrize("event", [accepted(shop_id="a"), paid(shop_id="a")])
def test_a_copy_has_nothing_of_the_network_above_the_seller(event: OrderAccepted | OrderPaid) -> None:
    above = [Upline(level=level, distributor_id=40 + level, tier="gold", active=True) for level in (1, 2, 3)]
    team = Team(team_id=1, leader_id=43, leader_tier="gold", leader_active=True)
    [found] = events_for_shops(
        [emitted(event.model_copy(update={"upline": tuple(above), "team": team}))], SETTINGS, frozenset(["a"])
    )
    [copy] = json.loads(found.body)

    assert copy["data"]["upline"] == [above[0].model_dump()]
    assert "team" not in copy["data"]
    # It is still a message of its type.
    assert type(event).model_validate_json(json.dumps(copy["data"])).total == event.total


def test_a_field_that_is_not_declared_for_shops_does_not_reach_them() -> None:
    event = emitted(accepted(shop_id="a"))
    body = json.loads(event.body)
    body["data"]["new"] = "secret"
    [found] = events_for_shops([replace(event, body=json.dumps(body).encode())], SETTINGS, frozenset(["a"]))

    assert "secret" not in found.body.decode()


def test_shops_read_the_declared_fields_and_no_others() -> None:
    """A field is added here on purpose, after looking at what HTTP shows to a shop."""
    order = {"shop_id", "order_id", "version"}
    refusal = {"shop_id", "order_id", "reason", "detail", "given_order_id"}
    shown = set(OrderView.model_fields) - {"reserved", "due_at", "status", "reason", "after_sale_open", "refunds"}
    snapshot = shown - {"paid_at", "completed_at", "refunded_total"}

    assert {name: payload.shop_reads for name, payload in catalogue.ALL.items() if payload.shop_reads} == {
        "order.accepted.v1": snapshot,
        "order.paid.v1": snapshot | {"paid_at"},
        "order.refused.v1": refusal,
        "order.status-refused.v1": refusal | {"status"},
        "order.refund-refused.v1": refusal | {"refund_id"},
        "order.after-sale-refused.v1": refusal,
        "order.rejected.v1": order | {"reason", "detail"},
        "order.shipped.v1": order | {"distributor_id"},
        "order.completed.v1": order | {"distributor_id", "completed_at"},
        "order.cancelled.v1": order
        | {"distributor_id", "currency", "placed_at", "net_total", "was_reserved", "was_paid", "reason"},
        "order.refunded.v1": order
        | {"distributor_id", "currency", "placed_at", "net_total", "refund_id", "lines", "amount", "refunded_total"}
        | {"was_shipped", "is_full"},
        "order.after-sale-changed.v1": order | {"open"},
    }
    assert set(OrderLine.model_fields) | set(RefundedLine.model_fields) <= set(LineView.model_fields)
    assert set(Upline.model_fields) <= set(SponsorView.model_fields)


def test_an_event_about_orders_of_many_shops_is_copied_for_none() -> None:
    """It names no shop: that ended the worker as soon as one shop had a login."""
    answer = UnpaidCancelled(product_id=501, request=1, orders=("a/1",), last_placed_at=NOW, last_order="a/1")

    assert copies([emitted(answer), emitted(accepted(shop_id="a"))], "a") == [("a", ["a"])]


def test_every_other_event_of_an_order_is_for_its_shop() -> None:
    not_for_shops = [
        name
        for name, payload in catalogue.ALL.items()
        if name.startswith("order.") and catalogue.kind_of(payload) == "event" and "shop_id" not in payload.shop_reads
    ]

    assert not_for_shops == [UnpaidCancelled.message_type]


def test_events_for_one_shop_alone_are_no_events_of_orders() -> None:
    """An answer is addressed already; it must not be copied as well."""
    alone = [name for name, payload in catalogue.ALL.items() if payload.to_one_shop]

    assert alone == ["message.answered.v1"]


async def test_readers_are_the_shops_whose_login_did_not_end() -> None:
    store = InMemoryStore([READERS, *WebhookRepository.collections])

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
