"""Events of a shop's own orders reach its webhooks: each once in effect, retried, and never another shop's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.webhooks.v1 import EnableWebhook, RedeliverWebhook, RemoveWebhook
from contracts.wire.answer import Answer
from infra.ports.store import Document
from tests.builders import NOW, SHOP, place
from tests.webhook_builders import HOOK, define
from tests.workflow.in_memory import InMemoryTransaction
from tests.workflow.system import System
from workers.shop_webhooks import repository
from workers.shop_webhooks.model import IN_FLIGHT_MAX, RETRY_DELAYS_S

OWN: dict[str, Any] = {"webhook_id": HOOK, "shop_id": SHOP, "by": "li.na"}
AWAY = Answer("unavailable", "receiver_unavailable", "hooks.test answered 503.", NOW)
GONE = Answer("refused", "gone", "hooks.test answered 410: the receiver is gone.", NOW)


@pytest.fixture
async def hooked(system: System) -> System:
    """The shop has a webhook for accepted and paid orders."""
    await system.publish(define(types=("order.accepted.v1", "order.paid.v1")))
    await system.run_until_idle()
    return system


async def sell(system: System, *order_ids: str) -> None:
    await system.publish(*(place(order_id, prepaid=True) for order_id in order_ids))
    await system.run_until_idle()


async def tick(system: System, seconds: int) -> None:
    await system.tick(system.time.now() + timedelta(seconds=seconds))
    await system.run_until_idle()


async def after_pauses(system: System, seconds: int) -> None:
    """After the given number of seconds, and after the pauses of a destination that did not answer."""
    for pause in (seconds, 40, 40, 40):
        await tick(system, pause)


def deliveries(system: System) -> list[Document]:
    return system.documents("shop_webhooks.deliveries")


def sent(system: System) -> list[dict[str, Any]]:
    return [json.loads(request.event) for request in system.shop_receiver.arrivals]


async def test_each_event_of_the_named_types_comes_as_the_shop_may_read_it(hooked: System) -> None:
    await sell(hooked, "1001")

    assert sorted(event["type"] for event in sent(hooked)) == ["order.accepted.v1", "order.paid.v1"]
    for event in sent(hooked):
        assert (event["specversion"], event["data"]["shop_id"]) == ("1.0", SHOP)
        # The network above the seller is not the shop's.
        assert len(event["data"]["upline"]) == 1
    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    await hooked.assert_sound()


async def test_a_message_that_cannot_be_read_is_dead_lettered_alone(hooked: System) -> None:
    await hooked.send_bytes("webhook.enable.v1", b"not JSON")
    await sell(hooked, "1001")

    assert len(hooked.documents("alerting.dead_letters")) == 1
    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}


async def test_without_a_webhook_nothing_is_copied(system: System) -> None:
    await sell(system, "1001")

    assert deliveries(system) == []
    assert not [each for each in system.broker.published if each.routing_key == "shop.event-copied.v1"]


async def test_an_endpoint_that_is_away_gets_it_later_under_the_same_id(hooked: System) -> None:
    hooked.shop_receiver.answers[HOOK] = AWAY
    await sell(hooked, "1001")
    del hooked.shop_receiver.answers[HOOK]
    await tick(hooked, 10)

    ids = [request.delivery_id for request in hooked.shop_receiver.arrivals]
    assert len(ids) == 4
    assert len(set(ids)) == 2
    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    assert [[note["outcome"] for note in each["notes"]] for each in deliveries(hooked)] == [["unavailable", "done"]] * 2
    await hooked.assert_sound()


async def test_after_all_retries_it_has_failed_and_is_redelivered_by_hand(system: System) -> None:
    """The last attempt is more than a day after the first, so the webhook is disabled too."""
    await system.publish(define(types=("order.accepted.v1",)))
    await system.run_until_idle()
    system.shop_receiver.answers[HOOK] = AWAY
    await sell(system, "1001")
    for pause in RETRY_DELAYS_S:
        await after_pauses(system, pause)
    [failed] = deliveries(system)
    assert (failed["state"], len(system.shop_receiver.arrivals)) == ("failed", len(RETRY_DELAYS_S) + 1)
    [raised] = [event["data"] for event in system.events("alert.raised.v1")]
    assert raised["kind"] == "webhook_disabled"
    assert "has taken no event for a day" in raised["detail"]
    del system.shop_receiver.answers[HOOK]

    await system.publish(EnableWebhook(**OWN), RedeliverWebhook(**OWN, delivery_id=failed["_id"]))
    await system.run_until_idle()

    assert [each["state"] for each in deliveries(system)] == ["delivered"]
    await system.assert_sound()


async def test_what_was_delivered_is_sent_again_when_the_shop_asks_for_it(hooked: System) -> None:
    await sell(hooked, "1001")
    [first, _] = deliveries(hooked)
    for times, by in ((2, "li.na"), (3, "wang.wei")):
        await hooked.publish(RedeliverWebhook(**{**OWN, "by": by}, delivery_id=first["_id"]))
        await hooked.run_until_idle()
        ids = [request.delivery_id for request in hooked.shop_receiver.arrivals]
        assert ids.count(first["_id"]) == times

    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    await hooked.assert_sound()


async def test_a_receiver_that_is_down_is_tried_a_few_times_and_not_for_each_event_that_waits(hooked: System) -> None:
    """Every attempt is in the journals with its event: as many as events wait would fill the disk."""
    hooked.shop_receiver.answers[HOOK] = AWAY
    await sell(hooked, *(str(number) for number in range(1001, 1051)))
    for _ in range(60):
        await tick(hooked, 10)

    assert {each["state"] for each in deliveries(hooked)} == {"waiting"}
    attempts = [each for each in hooked.broker.published if each.routing_key == "webhook.due.v1"]
    assert len(attempts) < 20
    await hooked.assert_sound()
    del hooked.shop_receiver.answers[HOOK]
    await tick(hooked, 300)
    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    await hooked.assert_sound()


async def test_a_receiver_that_is_gone_is_an_alert_until_it_is_enabled(hooked: System) -> None:
    hooked.shop_receiver.answers[HOOK] = GONE
    await sell(hooked, "1001")

    [raised] = [event["data"] for event in hooked.events("alert.raised.v1")]
    assert (raised["kind"], raised["shop_id"], raised["severity"]) == ("webhook_disabled", SHOP, "warning")
    del hooked.shop_receiver.answers[HOOK]
    await hooked.publish(EnableWebhook(**OWN))
    await hooked.run_until_idle()
    assert [event["data"]["alert"] for event in hooked.events("alert.resolved.v1")] == [f"webhook/{HOOK}"]
    await sell(hooked, "1002")
    assert [each["state"] for each in deliveries(hooked)].count("delivered") == 2
    await hooked.assert_sound()


async def test_a_backlog_is_sent_as_fast_as_its_endpoint_answers(hooked: System) -> None:
    hooked.shop_receiver.answers[HOOK] = AWAY
    await sell(hooked, *(str(number) for number in range(1001, 1001 + 3 * IN_FLIGHT_MAX)))
    del hooked.shop_receiver.answers[HOOK]

    await after_pauses(hooked, 10)

    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    await hooked.assert_sound()


async def test_a_removed_webhook_gets_nothing(hooked: System) -> None:
    await hooked.publish(RemoveWebhook(**OWN))
    await hooked.run_until_idle()
    await sell(hooked, "1001")

    assert deliveries(hooked) == []


async def test_what_waits_when_a_webhook_is_removed_ends(hooked: System) -> None:
    hooked.shop_receiver.answers[HOOK] = AWAY
    await sell(hooked, "1001")
    await hooked.publish(RemoveWebhook(**OWN))
    await hooked.run_until_idle()
    await tick(hooked, 1)

    assert {(each["state"], each["notes"][-1]["code"]) for each in deliveries(hooked)} == {("failed", "removed")}
    [webhook] = hooked.documents("shop_webhooks.webhooks")
    # Its index deletes it 30 days later, and nothing reads it until then.
    assert webhook["emptied_at"] == webhook["removed_at"]
    assert "is_live" not in webhook
    assert "is_looked_at" not in webhook
    await hooked.assert_sound()


async def test_ticks_reach_every_webhook_however_many_there_are(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "LOOKS_MAX", 2)
    hooks = [f"hook-{number}" for number in range(4)]
    await system.publish(*(define(hook, types=("order.accepted.v1",)) for hook in hooks))
    await system.run_until_idle()
    system.shop_receiver.answers |= dict.fromkeys(hooks, AWAY)
    await sell(system, "1001")
    system.shop_receiver.answers.clear()
    await after_pauses(system, 10)

    assert {each["state"] for each in deliveries(system)} == {"delivered"}


async def test_failing_webhooks_do_not_hide_what_is_due_for_others(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "LOOKS_MAX", 1)
    monkeypatch.setattr(repository, "LOOKS_BYTES_MAX", 1)
    hooks = [f"hook-{number}" for number in range(3)]
    await system.publish(*(define(hook, types=("order.accepted.v1",)) for hook in hooks))
    await system.run_until_idle()
    system.shop_receiver.answers |= dict.fromkeys(hooks, AWAY)
    await sell(system, *(str(number) for number in range(1001, 1011)))
    for _ in range(30):
        await tick(system, 10)
    del system.shop_receiver.answers["hook-2"]
    for _ in range(40):
        await tick(system, 10)

    states = {(each["webhook_id"], each["state"]) for each in deliveries(system)}
    assert states == {("hook-0", "waiting"), ("hook-1", "waiting"), ("hook-2", "delivered")}
    await system.assert_sound()


async def test_what_a_shop_removed_is_not_read_again(hooked: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it defined a webhook: other shops wait while a batch is loaded."""
    for number in range(40):
        own = {**OWN, "webhook_id": f"gone-{number}"}
        await hooked.publish(define(own["webhook_id"]), RemoveWebhook(**own))
        await hooked.run_until_idle()
    reads: list[int] = []
    find = InMemoryTransaction.find

    async def counted(tx: InMemoryTransaction, collection: str, *given: Any, **named: Any) -> list[Document]:
        found = await find(tx, collection, *given, **named)
        reads.extend([len(found)] if collection.startswith("shop_webhooks.") else [])
        return found

    monkeypatch.setattr(InMemoryTransaction, "find", counted)
    await sell(hooked, "1001")
    await tick(hooked, 10)

    assert {each["state"] for each in deliveries(hooked)} == {"delivered"}
    assert max(reads) <= 2


async def test_lost_deliveries_and_wrong_counts_are_detected(hooked: System) -> None:
    await sell(hooked, "1001")
    table = hooked.store.table("shop_webhooks.deliveries")
    [lost, _] = deliveries(hooked)
    table.remove(lost["_id"])
    hooked.store.table("shop_webhooks.webhooks").documents[HOOK]["in_flight"] = 3

    breaches = {(breach.invariant, breach.about) for breach in (await hooked.verify()).breaches}

    assert breaches == {("I11", f"shop-event/{lost['event_id']}"), ("I11", f"webhook/{HOOK}")}


async def test_a_delivery_that_no_one_sends_is_detected(hooked: System) -> None:
    hooked.shop_receiver.answers[HOOK] = AWAY
    await sell(hooked, "1001")
    hooked.time.advance_to(NOW + timedelta(hours=1))

    assert [breach.about for breach in (await hooked.verify()).breaches] == [f"webhook/{HOOK}"]
