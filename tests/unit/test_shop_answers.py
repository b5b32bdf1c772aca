"""Each message of a shop's login is answered with what became of it, in the words of the version that was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.operations.v1 import MessageAnswered
from contracts.orders import v1, v2
from contracts.orders.v1 import OrderRefused
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import BATCH, SHOP_EVENTS_EXCHANGE, Message, Refusal, in_words_of
from contracts.wire.refusal import Refusing
from infra.ports.messaging import Outgoing
from infra.ports.store import StateTooLarge
from infra.runtime.decoding import Decoder
from infra.runtime.failure_policy import FailurePolicy
from infra.runtime.fold import Folded, fold
from infra.runtime.journal import Journal
from infra.runtime.reply import replies
from infra.runtime.worker import on
from tests.builders import NOW, accepted
from tests.unit.deliveries import OTHER, PLACE_V1, SHOP, an_order, delivered, in_envelope
from tests.workflow.in_memory import InMemoryStore, InMemoryTransaction, ManualTime

POLICY = FailurePolicy((5, 60))
LAST_TRY = 3


class OneState:
    def state_for(self, _message: Message[Any]) -> None: ...

    def keep(self, state: None) -> None: ...


def refusal(detail: str) -> OrderRefused:
    return OrderRefused(shop_id=SHOP, order_id="1001", reason="product_unknown", detail=detail)


def decide(state: None, message: Message[v2.PlaceOrder]) -> Decision[None] | NotYet[None]:
    """By order id: accept, refuse, wait and then refuse, wait for ever, or raise."""
    refused = refusal("lines.0.product_id: product 501 is not defined.")
    match message.data.order_id:
        case "refused":
            return Decision(state, (refused,), "refused")
        case "late":
            return NotYet("product_unknown", Decision(state, (refused,), "refused"))
        case "never":
            return NotYet("order_unknown")
        case "raises":
            raise KeyError("a bug")
    return Decision(state, (accepted(shop_id=SHOP),), "accepted")


REFUSE = Refusing[v2.PlaceOrder](OrderRefused, "shop_id", "order_id")
HANDLER = on(v2.PlaceOrder, older=(v1.PlaceOrder,), decide=decide, refuse=REFUSE)
JOURNAL = Journal("order_intake", 30)


class Intake:
    """The worker's part between a delivery and its answers, with a journal in memory."""

    def __init__(self) -> None:
        self._store = InMemoryStore([JOURNAL.collection])
        self._decoder = Decoder(HANDLER.payloads, 4000, ManualTime(NOW))

    async def answers(self, content: object, **fields: Any) -> list[dict[str, Any]]:
        """The data of each answer; that it goes to its shop alone is checked on the way."""
        return [self._data(outgoing) for outgoing in await self.outgoing(content, **fields)]

    async def outgoing(self, content: object, **fields: Any) -> Sequence[Outgoing]:
        works = self._decoder.works_of(delivered(content, **fields))

        async def handle(tx: Any) -> list[Outgoing]:
            keys = {work.item.key for work in works}
            known = JOURNAL.known(await JOURNAL.mentions(keys).run(tx), keys)
            folded = Folded("order_intake", "order_intake.order.place", NOW)
            state: Any = OneState()
            fold(HANDLER, state, [w for w in works if w.item.key not in known], policy=POLICY, folded=folded)
            if not (record := folded.record(())).is_empty:
                await JOURNAL.write(tx, record)
            return await replies(tx, JOURNAL, works, folded, known, POLICY)

        return await self._store.transact(handle)

    @staticmethod
    def _data(outgoing: Outgoing) -> dict[str, Any]:
        assert (outgoing.exchange, outgoing.routing_key) == (SHOP_EVENTS_EXCHANGE, SHOP)
        assert (outgoing.content_type, outgoing.mandatory) == (BATCH, False)
        [event] = json.loads(outgoing.body)
        assert event["type"] == MessageAnswered.message_type
        MessageAnswered.model_validate(event["data"])
        data: dict[str, Any] = event["data"]
        return data


@pytest.fixture
def intake() -> Intake:
    return Intake()


def numbered(order_id: str, **fields: Any) -> dict[str, Any]:
    return in_envelope(an_order(order_id=order_id, **fields), "shop-no-1")


async def test_done_with_its_outcome(intake: Intake) -> None:
    assert await intake.answers(numbered("1001")) == [
        {
            "message_id": "shop-no-1",
            "type": PLACE_V1,
            "concerns": f"order/{SHOP}/1001",
            "outcome": "done",
            "code": "accepted",
        }
    ]


async def test_refused_with_the_field_in_the_words_of_its_version(intake: Intake) -> None:
    [answer] = await intake.answers(numbered("refused"))

    assert (answer["outcome"], answer["code"]) == ("refused", "product_unknown")
    assert (answer["field"], answer["detail"]) == ("product_id", "product_id: product 501 is not defined.")


async def test_in_version_2_the_field_is_that_of_a_line(intake: Intake) -> None:
    line = {"product_id": 501, "quantity": 1, "amount": "98.00"}
    order = {"shop_id": SHOP, "order_id": "refused", "distributor_id": 3, "lines": [line]}
    message = {**in_envelope(order), "type": "order.place.v2"}
    [answer] = await intake.answers(message, routing_key="order.place.v2")

    assert (answer["type"], answer["field"]) == ("order.place.v2", "lines.0.product_id")


async def test_deferred_once_then_its_outcome(intake: Intake) -> None:
    [first] = await intake.answers(numbered("late"))
    assert (first["outcome"], first["code"], first["field"]) == ("deferred", "product_unknown", "product_id")
    assert first["detail"] == "product_id: product 501 is not defined."
    assert first["tried_until"] == (NOW + timedelta(seconds=65)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert await intake.answers(numbered("late"), attempts=1) == []

    [last] = await intake.answers(numbered("late"), attempts=LAST_TRY - 1)
    assert (last["outcome"], last["code"], last["field"]) == ("refused", "product_unknown", "product_id")
    assert "tried_until" not in last


@pytest.mark.parametrize(("order_id", "code"), [("never", "order_unknown"), ("raises", "handler_error")])
async def test_dead_lettered_after_the_last_try(intake: Intake, order_id: str, code: str) -> None:
    [first] = await intake.answers(numbered(order_id))
    [last] = await intake.answers(numbered(order_id), attempts=LAST_TRY - 1)

    assert [(each["outcome"], each["code"]) for each in (first, last)] == [("deferred", code), ("dead_lettered", code)]


async def test_unreadable_with_a_subject_is_refused_with_its_field(intake: Intake) -> None:
    [answer] = await intake.answers(numbered("1001", quantity=0))

    assert (answer["outcome"], answer["code"], answer["field"]) == ("refused", "invalid_message", "quantity")
    assert answer["message_id"] == "shop-no-1"


@pytest.mark.parametrize(
    ("content", "fields", "code"),
    [
        (b'{"shop_id": ', {"message_id": "bare-1", "content_type": None}, "malformed_json"),
        (b"?" * 5000, {"message_id": "bare-1"}, "too_large"),
        (an_order(), {"message_id": "bare-1", "content_type": None, "undecoded": "app_id (ff)"}, "unreadable_property"),
    ],
)
async def test_what_is_unreadable_is_dead_lettered_under_the_shops_id(
    intake: Intake, content: object, fields: dict[str, Any], code: str
) -> None:
    [answer] = await intake.answers(content, **fields)

    assert (answer["outcome"], answer["code"], answer["message_id"]) == ("dead_lettered", code, "bare-1")
    assert answer["detail"]


async def test_a_repeat_is_answered_as_the_first_was(intake: Intake) -> None:
    for order_id in ("1001", "refused"):
        message = in_envelope(an_order(order_id=order_id), f"m-{order_id}")
        first, again = [await intake.answers(message) for _ in range(2)]
        assert first == again
        assert len(first) == 1


async def test_a_repeat_reads_nothing_but_why_its_message_was_refused(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of a batch has megabytes, and 300 bytes repeat a message of each of many records."""
    read: list[Any] = []
    find, find_parts = InMemoryTransaction.find, InMemoryTransaction.find_parts

    async def recording(self: Any, *given: Any, **more: Any) -> Any:
        found = await find(self, *given, **more)
        read.extend(found)
        return found

    async def parts(self: Any, *given: Any, **more: Any) -> Any:
        with monkeypatch.context() as quiet:
            quiet.setattr(InMemoryTransaction, "find", find)
            found, more_follow = await find_parts(self, *given, **more)
        read.extend(found)
        return found, more_follow

    names = ("1001", "refused", "1002", "refused")
    batch = [in_envelope(an_order(order_id=order_id), f"m-{number}") for number, order_id in enumerate(names)]
    await intake.answers(batch, content_type=BATCH)
    monkeypatch.setattr(InMemoryTransaction, "find", recording)
    monkeypatch.setattr(InMemoryTransaction, "find_parts", parts)

    await intake.answers(batch[0])
    assert [record.keys() for record in read] == [{"_id", "handled"}]
    read.clear()
    await intake.answers(batch[3])
    [record, part] = read
    assert record.keys() == {"_id", "handled"}
    assert [emitted["type"] for emitted in part["emitted"]] == ["order.refused.v1"]


async def test_what_repeats_emitted_is_bounded(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the loop handles the batch by halves, and a message alone is always answered."""
    orders = [in_envelope(an_order(order_id="refused"), f"m-{number}") for number in range(2)]
    for order in orders:
        await intake.answers(order)
    monkeypatch.setattr("infra.runtime.journal._EMITTED_BYTES_MAX", 100)

    with pytest.raises(StateTooLarge):
        await intake.answers(orders, content_type=BATCH)
    assert [len(await intake.answers(order)) for order in orders] == [1, 1]


async def test_another_shops_is_refused_without_a_word_about_it(intake: Intake) -> None:
    forged = in_envelope(an_order(OTHER), source=f"urn:shop:{OTHER}")
    first, again = [await intake.answers(forged) for _ in range(2)]

    assert first == again
    assert [(each["outcome"], each["code"], each["field"]) for each in first] == [
        ("refused", "not_your_shop", "shop_id")
    ]
    assert first[0]["concerns"] == f"shop/{SHOP}"
    assert OTHER not in json.dumps(first)


async def test_each_of_a_batch_has_its_own_answer(intake: Intake) -> None:
    batch = [in_envelope(an_order(order_id=order_id), f"m-{order_id}") for order_id in ("1", "refused", "late")]

    answers = await intake.answers(batch, content_type=BATCH)
    assert [(each["message_id"], each["outcome"]) for each in answers] == [
        ("m-1", "done"),
        ("m-refused", "refused"),
        ("m-late", "deferred"),
    ]


async def test_without_a_login_no_one_is_answered(intake: Intake) -> None:
    assert await intake.outgoing(numbered("1001"), sender=None) == []


async def test_a_reply_address_gets_nothing_of_a_shops_message(intake: Intake) -> None:
    sent = await intake.outgoing(numbered("1001"), reply_to="rule_book.rules.activate")

    assert [(outgoing.exchange, outgoing.routing_key) for outgoing in sent] == [(SHOP_EVENTS_EXCHANGE, SHOP)]


async def test_an_answer_given_again_has_the_same_id(intake: Intake) -> None:
    """So a shop that keeps the ids sees each of them once."""
    first, again = [await intake.outgoing(numbered("1001")) for _ in range(2)]

    assert [outgoing.body for outgoing in first] == [outgoing.body for outgoing in again]


class TestInWordsOf:
    @pytest.mark.parametrize(
        ("version", "detail", "expected"),
        [
            (PLACE_V1, "lines.0.product_id: no such", "product_id: no such"),
            (PLACE_V1, "lines.0.amount: too much: 7", "total_price: too much: 7"),
            (PLACE_V1, "distributor_id: no such", "distributor_id: no such"),
            (PLACE_V1, "lines.0.product_id is wrong", "lines.0.product_id is wrong"),
            ("order.place.v2", "lines.0.product_id: no such", "lines.0.product_id: no such"),
            ("order.place.v99", "lines.0.product_id: no such", "lines.0.product_id: no such"),
        ],
    )
    def test_the_field_at_the_beginning_is_named_as_in_that_version(
        self, version: str, detail: str, expected: str
    ) -> None:
        worded: Refusal = in_words_of(version, refusal(detail))

        assert worded == refusal(expected)

    def test_every_older_name_is_a_field_of_its_version(self) -> None:
        assert set(v1.PlaceOrder.older_names.values()) <= v1.PlaceOrder.model_fields.keys()
