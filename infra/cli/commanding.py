"""Sending one command and waiting for what becomes of it, by the journal of the worker that reads it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from contracts.envelope import COMMANDS_EXCHANGE, STRUCTURED, Message, Payload, message_of
from infra.adapters.mongo import MongoStore
from infra.runtime import broker, roster
from infra.runtime.broker import RabbitPublisher
from infra.runtime.journal import PREFIX
from infra.runtime.messaging import BrokerUnavailable, Outgoing
from infra.runtime.settings import Settings
from infra.runtime.store import Document, Reader
from infra.runtime.time import RealTime

SOURCE = "urn:tributary:cli"

_LOOKS_PER_S = 5
_RECORDS_MAX = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: its outcome and events, or why it waits, or died; `unheard` if nobody took it yet."""

    state: Literal["handled", "put_off", "dead", "unheard"]
    code: str = ""
    events: tuple[dict[str, Any], ...] = ()

    @property
    def refusal(self) -> dict[str, Any] | None:
        """The data of the event that refuses it, with reason and detail."""
        refused = [event["data"] for event in self.events if event["type"].rpartition(".")[0].endswith(".refused")]
        return refused[0] if refused else None


async def send(settings: Settings, store: MongoStore, payload: Payload, *, wait_s: float) -> Outcome:
    """Publish the command and wait up to `wait_s` for its end. Raises BrokerUnavailable."""
    reader = _reader_of(payload)
    message: Message[Any] = message_of(payload.__class__)(
        id=str(uuid4()),
        source=SOURCE,
        type=payload.message_type,
        time=RealTime().now(),
        subject=payload.about(),
        data=payload,
    )
    await _publish(settings, reader.queue, message)
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        outcome = await _outcome_of(store, reader.worker, message)
        if outcome.state in ("handled", "dead") or asyncio.get_running_loop().time() >= deadline:
            return outcome
        await asyncio.sleep(1 / _LOOKS_PER_S)


@dataclass(frozen=True, slots=True)
class _Reader:
    worker: str
    queue: str


def _reader_of(payload: Payload) -> _Reader:
    return next(
        _Reader(worker.name, worker.queue_of(handler))
        for worker in roster.load_all()
        for handler in worker.handlers
        if payload.__class__ in handler.payloads
    )


async def _publish(settings: Settings, queue: str, message: Message[Any]) -> None:
    depths = await broker.depths(settings.rabbitmq_url, [queue])
    if depths[queue] is None:
        raise BrokerUnavailable(f"it has no queue {queue}; declare it with `tributary topology --apply`")
    publisher = RabbitPublisher(settings.rabbitmq_url, timeout_s=settings.publish_timeout_s)
    await publisher.start()
    try:
        await publisher.publish([Outgoing(COMMANDS_EXCHANGE, message.type, message.to_bytes(), STRUCTURED)])
    finally:
        await publisher.stop()


async def _outcome_of(read: Reader, worker: str, message: Message[Any]) -> Outcome:
    records = await read.find(PREFIX + worker, {"about": message.data.about()}, sort=(("at", -1),), limit=_RECORDS_MAX)
    found = [_in_record(record, message.key) for record in records]
    said = [outcome for outcome in found if outcome is not None]
    return next((outcome for outcome in said if outcome.state != "put_off"), said[0] if said else Outcome("unheard"))


def _in_record(record: Document, key: str) -> Outcome | None:
    for item in record.get("handled", ()):
        if item["id"] == key:
            events = tuple(json.loads(event["body"]) for event in record.get("emitted", ()) if event["cause"] == key)
            return Outcome("handled", item["outcome"], events)
    for item in record.get("dead", ()):
        if item["id"] == key:
            return Outcome("dead", item["reason"])
    for item in record.get("retried", ()):
        if item["id"] == key:
            return Outcome("put_off", item["reason"])
    return None
