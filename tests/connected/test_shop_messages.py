"""What a shop sends by its own login is handled and answered; in another one's name it changes nothing.

One world and one set of workers for all of these tests: each sends orders and messages of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import aio_pika
import pytest

from contracts.operations.view import DEAD_LETTERS
from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, STRUCTURED
from contracts.wire.reading import SENDER_UNKNOWN
from infra.operators.dead_letters import CannotReplay, named, replay
from infra.runtime import roster
from infra.shops.ownership import SENDER_UNKNOWN_BYTES_MAX
from tests.builders import JOINED, TEA, TEAS, put_in_force
from tests.connected.running import Site, until
from tests.connected.shops import MINE, PLACE, SELLER, THEIRS, Shop, an_order, connected, enveloped, logins_at
from tests.stock_builders import receive

UPDATE = "order.update-status.v1"
_numbers = count(1001)


@pytest.fixture
def number() -> str:
    """Of an order that no other test has."""
    return str(next(_numbers))


WORLD: Sequence[tuple[str, dict[str, Any]]] = [
    ("shop.register.v1", {"shop_id": MINE, "currency": "CNY", "market": "east"}),
    ("shop.register.v1", {"shop_id": THEIRS, "currency": "CNY", "market": "east"}),
    ("distributor.register.v1", {"distributor_id": SELLER, "sponsor_id": None, "joined_at": JOINED.isoformat()}),
    ("product.define.v1", {"product_id": TEA, "name": "tea", "category_id": TEAS}),
]


@pytest.fixture(scope="module")
async def trading(shared_site: Site) -> AsyncIterator[Site]:
    """All workers run, and both shops, a seller, tea and rules are known."""
    async with logins_at(shared_site, MINE, THEIRS), shared_site.loops(*roster.load_all()):
        async with shared_site.channel() as channel:
            exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
            for kind, data in WORLD:
                await exchange.publish(aio_pika.Message(json.dumps(data).encode()), kind)
            *rules, activation = put_in_force()
            stock = receive(quantity=1000)
            for command in (*rules, activation.model_copy(update={"effective_from": None}), stock):
                raw = command.model_dump_json(exclude_none=True).encode()
                await exchange.publish(aio_pika.Message(raw), command.message_type)
        await shared_site.quiet()
        yield shared_site


@pytest.fixture
async def mine(trading: Site) -> AsyncIterator[Shop]:
    async with connected(trading, MINE) as shop:
        yield shop


@pytest.fixture
async def theirs(trading: Site) -> AsyncIterator[Shop]:
    async with connected(trading, THEIRS) as shop:
        yield shop


async def orders(site: Site) -> dict[str, Any]:
    return {order["_id"]: order for order in await site.documents("order_intake.orders")}


def own(number: str, message_id: str | None = None, **fields: Any) -> bytes:
    return enveloped(an_order(order_id=number, **fields), message_id or f"m-{number}")


async def test_its_own_order_is_accepted_and_answered_under_its_own_id(
    trading: Site, mine: Shop, theirs: Shop, number: str
) -> None:
    await mine.send(PLACE, own(number, "store-a-1"), content_type=STRUCTURED)
    await mine.send(PLACE, an_order(order_id=f"{number}-2"), message_id="bare-2")

    answers = await mine.answers(2)
    assert sorted((each["message_id"], each["type"], each["outcome"], each["code"]) for each in answers) == [
        ("bare-2", PLACE, "done", "accepted"),
        ("store-a-1", PLACE, "done", "accepted"),
    ]
    assert {each["concerns"] for each in answers} == {f"order/{MINE}/{number}", f"order/{MINE}/{number}-2"}
    assert {f"{MINE}/{number}", f"{MINE}/{number}-2"} <= (await orders(trading)).keys()
    assert await theirs.arrivals(number) == []


async def test_events_of_its_orders_come_to_it_alone(mine: Shop, theirs: Shop, number: str) -> None:
    """Those that others cause, too: with the stock's answer, a paid order counts as paid."""
    await mine.send(PLACE, an_order(order_id=number))
    await mine.send(UPDATE, {"shop_id": MINE, "order_id": number, "status": "paid"})

    [paid] = await mine.received("order.paid.v1")
    assert (paid["shop_id"], paid["order_id"]) == (MINE, number)
    assert await theirs.arrivals(number) == []


def forgeries(number: str) -> dict[str, bytes]:
    order = an_order(THEIRS, number)
    return {
        "in its name": enveloped(order, f"m-{number}", f"urn:shop:{THEIRS}"),
        "its order": enveloped(order, f"m-{number}"),
        "its source": enveloped(an_order(order_id=number), f"m-{number}", f"urn:shop:{THEIRS}"),
        "the operator": enveloped(an_order(order_id=number), f"m-{number}", "urn:tributary:operator"),
        "the source of bare bodies": enveloped(an_order(order_id=number), f"m-{number}", "urn:tributary:bare"),
        "the source of a distributor": enveloped(
            an_order(order_id=number), f"m-{number}", f"api/distributor/x/{SELLER}"
        ),
        "the source of an administrator": enveloped(an_order(order_id=number), f"m-{number}", "api/admin/x"),
        "bare": json.dumps(order).encode(),
        "bare and invalid": json.dumps({**order, "total_price": "no price"}).encode(),
        "invalid": enveloped({**order, "quantity": -1}, f"m-{number}", f"urn:shop:{THEIRS}"),
    }


@pytest.mark.parametrize("forgery", forgeries("0"))
async def test_a_message_in_another_ones_name_is_refused_and_changes_nothing(
    trading: Site, mine: Shop, theirs: Shop, number: str, forgery: str
) -> None:
    await mine.send(PLACE, forgeries(number)[forgery])

    [answer] = await mine.answers()
    assert (answer["outcome"], answer["code"]) == ("refused", "not_your_shop")
    assert answer["field"] in ("shop_id", "source")
    assert await theirs.arrivals(number) == []
    assert not {f"{MINE}/{number}", f"{THEIRS}/{number}"} & (await orders(trading)).keys()

    # The id that was used first by the forger is still the other shop's own.
    await theirs.send(PLACE, enveloped(an_order(THEIRS, number), f"m-{number}", f"urn:shop:{THEIRS}"))
    [answer] = await theirs.answers()
    assert (answer["message_id"], answer["code"]) == (f"m-{number}", "accepted")


async def test_an_update_of_another_shops_order_is_refused(
    trading: Site, mine: Shop, theirs: Shop, number: str
) -> None:
    await theirs.send(PLACE, an_order(THEIRS, number))
    await theirs.answers()
    await mine.send(UPDATE, {"shop_id": THEIRS, "order_id": number, "status": "cancelled"})

    [answer] = await mine.answers()
    assert answer["code"] == "not_your_shop"
    assert (await orders(trading))[f"{THEIRS}/{number}"]["status"] == "pending"


async def test_a_member_of_a_batch_that_is_not_its_own_leaves_the_others_alone(mine: Shop, number: str) -> None:
    members = [an_order(order_id=number), an_order(THEIRS, number), an_order(order_id=f"{number}-2")]
    batch = b",".join(enveloped(data, f"m-{number}-{place}") for place, data in enumerate(members, 1))
    await mine.send(PLACE, b"[" + batch + b"]", content_type=BATCH)

    answers = await mine.answers(3)
    assert sorted((each["message_id"], each["code"]) for each in answers) == [
        (f"m-{number}-1", "accepted"),
        (f"m-{number}-2", "not_your_shop"),
        (f"m-{number}-3", "accepted"),
    ]


async def test_without_a_user_id_it_becomes_a_dead_letter_that_cannot_be_replayed(
    trading: Site, mine: Shop, number: str
) -> None:
    """An empty batch, which has no message, and one too large to keep do no harm either."""
    await mine.send(PLACE, b"[]", login=None, content_type=BATCH)
    await mine.send(PLACE, b"?" * (trading.settings.message_bytes_max + 1), login=None)
    await mine.send(PLACE, an_order(THEIRS, number), login=None)

    async def letters() -> dict[str, Any] | None:
        found = {letter["body"][:1]: letter for letter in await trading.documents(DEAD_LETTERS)}
        return found if {"?", "{"} <= found.keys() else None

    found = await until(letters, what="the letters are kept")
    assert len(found["?"]["body"]) == SENDER_UNKNOWN_BYTES_MAX
    for letter in found.values():
        assert letter["reason"] == SENDER_UNKNOWN
        assert "user_id" in letter["detail"]
        [kept] = await named(trading.store, letter["_id"])
        with pytest.raises(CannotReplay):
            replay(kept)
    assert f"{THEIRS}/{number}" not in await orders(trading)


async def test_headers_and_reply_addresses_of_a_shop_count_for_nothing(trading: Site, mine: Shop, number: str) -> None:
    """Neither tries that it claims, nor a sender, nor a routing key, nor a queue of ours as the place for answers."""
    headers = {
        "x-tributary-attempts": 99,
        "x-tributary-replays": 7,
        "x-tributary-sender": f"{THEIRS} {PLACE} x",
        "x-tributary-routing-key": "order.place.v2",
        "x-tributary-reply-to": "rule_book.rules.activate",
        "x-death": [{"queue": "rule_book.rules.activate", "reason": "rejected"}],
    }
    order = an_order(order_id=number, product_id=999)
    await mine.send(PLACE, order, headers=headers, reply_to="rule_book.rules.activate")

    first, last = await mine.answers(2)
    assert (first["outcome"], first["code"], first["field"]) == ("deferred", "product_unknown", "product_id")
    assert first["tried_until"] > "2026"
    assert (last["outcome"], last["code"], last["field"]) == ("refused", "product_unknown", "product_id")
    assert last["detail"].startswith("product_id: product 999")
    assert await trading.documents(DEAD_LETTERS, {"worker": "rule_book"}) == []
    assert await trading.documents(DEAD_LETTERS, {"concerns": f"order/{MINE}/{number}"}) == []


async def test_what_cannot_be_read_is_answered_with_the_shops_own_id_and_field(mine: Shop, number: str) -> None:
    wrong = enveloped({**an_order(order_id=number), "quantity": 0}, "m-wrong")
    await mine.send(PLACE, wrong)
    await mine.send(PLACE, b'{"shop_id": ', message_id="m-half")

    answers = {each["message_id"]: each for each in await mine.answers(2)}
    assert (answers["m-wrong"]["outcome"], answers["m-wrong"]["field"]) == ("refused", "quantity")
    assert (answers["m-half"]["outcome"], answers["m-half"]["code"]) == ("dead_lettered", "malformed_json")


async def test_a_repeat_is_answered_as_the_first(mine: Shop, number: str) -> None:
    for _ in range(2):
        await mine.send(PLACE, own(number))
        [answer] = await mine.answers()
        assert (answer["outcome"], answer["code"], answer["message_id"]) == ("done", "accepted", f"m-{number}")
