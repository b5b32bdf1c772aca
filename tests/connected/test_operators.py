"""The operator's commands on real servers: dead letters listed, shown, replayed and discarded; traces; doctor."""

from __future__ import annotations

import json
import signal
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from pymongo import MongoClient

from contracts.operations.view import DEAD_LETTERS
from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, STRUCTURED, Message
from infra.adapters.os_user import os_user
from infra.operators import dead_letters
from infra.ports.store import Document
from infra.processes import process
from infra.runtime import roster
from tests.builders import KEY, NOW, message, paid, put_in_force
from tests.connected.running import Ended, Site, command, journal_of, until
from tests.servers import LocalStack

PLACED = "order_intake.order.place"
ACCRUALS = "commission_calculation.order.paid"
MALFORMED = '{"shop_id": "shop-1", "order_id": "1001", "total_price": 1.10, "note": "茶"'.encode()


async def send(site: Site, exchange: str, routing_key: str, body: bytes, content_type: str = STRUCTURED) -> None:
    async with site.channel() as channel:
        target = await channel.get_exchange(exchange, ensure=False)
        persistent = aio_pika.DeliveryMode.PERSISTENT
        sent = aio_pika.Message(body, content_type=content_type, delivery_mode=persistent)
        await target.publish(sent, routing_key=routing_key)


async def tributary(site: Site, *words: str, **settings: object) -> Ended:
    return await command(*words, environment=site.environment(**settings))


async def letters(site: Site, count: int, **where: object) -> list[Document]:
    """The letters, once `count` of them are kept."""

    async def look() -> list[Document] | None:
        found = await site.documents(DEAD_LETTERS, where)
        return found if len(found) >= count else None

    found: list[Document] = await until(look, what=f"{count} letters are kept")
    assert len(found) == count
    return found


@asynccontextmanager
async def running(site: Site, *names: str) -> AsyncIterator[None]:
    async with site.loops(*(roster.load(name) for name in names)):
        yield


async def a_dead_lettered_order(site: Site) -> Message[Any]:
    """A paid order whose rule version does not exist: it is dead-lettered after its retries."""
    order = message(paid())
    await send(site, EVENTS_EXCHANGE, order.type, order.to_bytes())
    await letters(site, 1, queue=ACCRUALS)
    return order


def a_stored_letter(number: int, body: str) -> Document:
    """As the worker stores it; those with a higher number died earlier."""
    return {
        "_id": f"letter-{number:04}",
        "worker": "order_intake",
        "queue": PLACED,
        "message_id": f"message-{number}",
        "type": "order.place.v1",
        "reason": "malformed_json",
        "detail": "body: Invalid JSON",
        "attempts": 1,
        "replays": 0,
        "encoding": "utf-8",
        "body": body,
        "died_at": NOW - timedelta(seconds=number),
        "state": "waiting",
    }


class TestDeadLetters:
    async def test_are_listed_by_cause_and_shown_as_they_came(self, site: Site) -> None:
        async with running(site, "order_intake", "alerting"):
            for body in (MALFORMED, MALFORMED + b" "):
                await send(site, COMMANDS_EXCHANGE, "order.place.v1", body, "application/json")
            first, _ = await letters(site, 2)

        listed = await tributary(site, "dead", "list", "--json")
        [cause] = listed.object["causes"]
        assert (cause["letters"], cause["queue"], cause["reason"]) == (2, PLACED, "malformed_json")

        shown = (await tributary(site, "dead", "show", first["_id"][:13], "--json")).object
        assert shown["body"].encode() in (MALFORMED, MALFORMED + b" ")
        assert (shown["content_type"], shown["routing_key"]) == ("application/json", "order.place.v1")
        assert "茶" in (await tributary(site, "dead", "show", first["_id"])).out

    async def test_are_listed_one_by_one_in_bounded_memory(self, site: Site) -> None:
        """150 MB of bodies: none is kept longer than it takes to print it."""
        body, size = "茶" * 170_000, 150_000_000
        sent = [a_stored_letter(number, body) for number in range(size // len(body.encode()))]
        for start in range(0, len(sent), 20):
            part = sent[start : start + 20]
            await site.store.transact(lambda tx, part=part: tx.insert(DEAD_LETTERS, part))  # type: ignore[misc]
        where = dead_letters.where(states=("waiting", "replayed", "discarded"))

        tracemalloc.start()
        try:
            listed = [letter.letter_id async for letter in dead_letters.each(site.store, where, bodies=True)]
            _, of_each = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            chunks = [len(chunk) async for chunk in dead_letters.in_chunks(site.store, listed)]
            _, of_chunks = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        by_age = sorted(sent, key=lambda letter: (letter["died_at"], letter["_id"]))
        assert listed == [letter["_id"] for letter in by_age]
        assert sum(chunks) == len(sent)
        assert max(of_each, of_chunks) < size / 2
        with MongoClient[Document](site.settings.mongodb_url) as client:
            letters = client[site.settings.database][DEAD_LETTERS]
            plan = letters.find(where).sort([("died_at", 1), ("_id", 1)]).explain()["queryPlanner"]["winningPlan"]
        assert "'SORT'" not in str(plan)
        assert "COLLSCAN" not in str(plan)

    async def test_are_listed_one_by_one_as_lines_and_as_json(self, site: Site) -> None:
        assert (await tributary(site, "dead", "list", "--each", "--json")).object == {"letters": []}
        assert (await tributary(site, "dead", "list", "--each")).out == "No dead letter is waiting.\n"
        sent = [a_stored_letter(number, f"body {number}") for number in range(3)]
        await site.store.transact(lambda tx: tx.insert(DEAD_LETTERS, sent))

        listed = (await tributary(site, "dead", "list", "--each", "--json")).object["letters"]
        lines = (await tributary(site, "dead", "list", "--each", "--state", "any")).out.splitlines()

        assert [(one["letter_id"], one["body"]) for one in listed] == [
            (one["_id"], one["body"]) for one in reversed(sent)
        ]
        assert [line.split()[0] for line in lines[::2]] == [one["letter_id"] for one in listed]

    async def test_are_discarded_with_a_note_and_take_their_alert_with_them(self, site: Site) -> None:
        async with running(site, "order_intake", "alerting"):
            await send(site, COMMANDS_EXCHANGE, "order.place.v1", MALFORMED)
            await letters(site, 1)
            done = await tributary(site, "dead", "discard", "--all", "--yes", "--by", "li.na", "--note", "a test")
            assert (done.code, done.out) == (0, "1 discarded.\n")
            [letter] = await letters(site, 1, state="discarded")

        assert (letter["settled_by"], letter["note"], letter["body"].encode()) == ("li.na", "a test", MALFORMED)
        assert letter["os_user"] == os_user()
        assert [alert["state"] for alert in await site.documents("alerting.alerts")] == ["resolved"]
        assert "No dead letter is waiting" in (await tributary(site, "dead", "list")).out

    async def test_a_dry_run_changes_nothing(self, site: Site) -> None:
        async with running(site, "commission_calculation", "alerting"):
            await a_dead_lettered_order(site)
        before = await site.documents(DEAD_LETTERS)

        done = await tributary(site, "dead", "replay", "--queue", ACCRUALS, "--dry-run")

        assert (done.code, done.out) == (0, "1 would be replayed.\n")
        assert await site.ready(ACCRUALS) == 0
        assert await site.ready("alerting.dead-letter.settle") == 0
        assert await site.documents(DEAD_LETTERS) == before

    async def test_a_repeated_replay_is_ignored(self, site: Site) -> None:
        async with running(site, "commission_calculation", "alerting", "rule_book"):
            await a_dead_lettered_order(site)
            for request in put_in_force():
                await send(site, COMMANDS_EXCHANGE, request.message_type, message(request).to_bytes())
            await until(lambda: site.documents("rule_book.rules"), what="the rules are published")

            first = await tributary(site, "dead", "replay", "--reason", "rules_unknown", "--by", "wei")
            assert (first.code, first.out) == (0, "1 replayed.\n")
            [letter] = await letters(site, 1, state="replayed")
            assert letter["settled_by"] == "wei"
            await until(lambda: site.documents("commission_calculation.ledger"), what="the commission is accrued")

            again = await tributary(site, "dead", "replay", letter["_id"])
            assert (again.code, "--again sends it anyway" in again.out) == (0, True)
            forced = await tributary(site, "dead", "replay", letter["_id"], "--again", "--json")
            assert forced.object["letters"] == [letter["_id"]]
            await until(
                lambda: site.documents(journal_of("commission_calculation"), {"repeats": {"$gt": []}}),
                what="the repeat is recognised",
            )

        assert len(await site.documents("commission_calculation.ledger")) == 1
        assert len(await site.documents(DEAD_LETTERS)) == 1

    async def test_a_replayed_message_that_is_still_broken_is_another_letter(self, site: Site) -> None:
        async with running(site, "order_intake", "alerting"):
            await send(site, COMMANDS_EXCHANGE, "order.place.v1", MALFORMED, "application/json")
            [letter] = await letters(site, 1)
            await tributary(site, "dead", "replay", letter["_id"])
            both = await letters(site, 2)

        once_more = next(each for each in both if each["_id"] != letter["_id"])
        assert once_more["replays"] == 1
        for name in ("body", "type", "reason", "detail", "content_type", "routing_key"):
            assert once_more[name] == letter[name]

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("replay",), "Name letters, or select them"),
            (("discard", "0123", "--all"), "but not both"),
            (("show", "0123"), "There is no dead letter whose id begins with '0123'"),
        ],
    )
    async def test_wrong_usage_ends_with_one_sentence(self, site: Site, words: tuple[str, ...], sentence: str) -> None:
        ended = await tributary(site, "dead", *words)

        assert ended.code == 2
        assert sentence in ended.err
        assert "Traceback" not in ended.err


class TestTrace:
    async def test_an_order_its_message_and_its_letter_have_the_same_trace(self, site: Site) -> None:
        async with running(site, "commission_calculation", "alerting"):
            order = await a_dead_lettered_order(site)
            [letter] = await letters(site, 1)

        traces = [await tributary(site, "trace", name, "--json") for name in (KEY, order.id, letter["_id"])]

        for trace in traces:
            outcomes = [step["outcome"] for step in trace.object]
            assert "put off after try 1: rules_unknown" in outcomes
            assert "dead-lettered after try 3: rules_unknown" in outcomes
            [linked] = [step["letter"] for step in trace.object if step["letter"]]
            assert linked == {"letter_id": letter["_id"], "state": "waiting"}
        assert letter["_id"] in (await tributary(site, "trace", KEY)).out

    async def test_an_unreadable_message_is_no_step_of_the_order_that_its_id_names(self, site: Site) -> None:
        """Its sender chose the id, and may be another shop."""
        named = message(paid()).model_copy(update={"id": KEY}).model_dump(mode="json")
        body = json.dumps({**named, "data": {}}).encode()
        async with running(site, "commission_calculation", "alerting"), site.channel() as channel:
            events = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
            await events.publish(aio_pika.Message(body, content_type=STRUCTURED), named["type"])
            [letter] = await letters(site, 1)

        assert letter["message_id"] == KEY
        assert (await tributary(site, "trace", KEY)).code == 1
        [_, raised] = (await tributary(site, "trace", f"message/{KEY}", "--json")).object
        assert raised["type"] == "message.dead-lettered.v1"

    async def test_an_unknown_name_is_reported_as_unknown(self, site: Site) -> None:
        ended = await tributary(site, "trace", "shop-1/9999")

        assert ended.code == 1
        assert "Nothing is known of 'shop-1/9999'" in ended.err


async def problems(site: Site, **settings: object) -> tuple[int, list[str]]:
    """The exit code and what `doctor` calls a problem."""
    ended = await tributary(site, "doctor", "--json", **settings)
    assert "Traceback" not in ended.err
    findings = ended.object["findings"]
    return ended.code, [f"{f['part']}: {f['detail']}" for f in findings if f["level"] == "problem"]


class TestDoctor:
    async def test_reports_no_problem_in_a_healthy_system(self, site: Site) -> None:
        async with running(site, *roster.names()):
            ended = await tributary(site, "doctor")

        assert ended.code == 0
        assert "0 problems" in ended.out

    async def test_names_unread_queues(self, site: Site) -> None:
        async with running(site, *(name for name in roster.names() if name != "catalog")):
            code, [found] = await problems(site)

        assert code == 1
        assert found.startswith("RabbitMQ: No worker reads catalog.")
        assert found.endswith("; start them: `tributary work catalog`.")

    async def test_names_missing_and_different_queues_and_changes_nothing(self, site: Site) -> None:
        async with site.channel() as channel:
            await channel.queue_delete(ACCRUALS)
            await channel.queue_delete(PLACED)
            await channel.declare_queue(PLACED, durable=True, arguments={"x-queue-type": "quorum"})
        try:
            for _ in range(2):
                code, found = await problems(site)
                assert code == 1
                assert f"RabbitMQ: There is no queue {ACCRUALS}; declare it: `tributary topology --apply`." in found
                [differs] = [each for each in found if f"The queue {PLACED} differs" in each]
                assert "is none, and 2147483647 is declared" in differs
        finally:
            async with site.channel() as channel:
                await channel.queue_delete(PLACED)
            await process.prepare(site.settings)

    async def test_counts_what_waits_for_a_person(self, site: Site) -> None:
        async with running(site, "order_intake", "alerting"):
            await send(site, COMMANDS_EXCHANGE, "order.place.v1", MALFORMED)
            await letters(site, 1)

        ended = await tributary(site, "doctor")

        assert "1 waiting for an operator; causes: 1" in ended.out
        assert "Open: 1 dead_letter" in ended.out

    async def test_names_a_stopped_server(self, site: Site, stack: LocalStack) -> None:
        stack.end("mongodb", signal.SIGTERM)
        try:
            code, found = await problems(site)
        finally:
            stack.up()

        assert code == 1
        assert any(each.startswith("MongoDB: It does not answer") for each in found)

    async def test_ends_with_3_when_no_server_answers(self, site: Site) -> None:
        code, found = await problems(
            site,
            rabbitmq_url="amqp://guest:guest@127.0.0.1:1/",
            mongodb_url="mongodb://127.0.0.1:1/?replicaSet=none",
            redis_url="redis://127.0.0.1:1/0",
        )

        assert code == 3
        assert len(found) == 2
