"""Sending one command as the HTTP API does, and reporting its outcome to an operator.

The reply contains the outcome of a handled command. If no reply comes in time, the journal of the worker that reads the
command shows whether it waits for a retry or was dead-lettered, and why; or that no worker has received it yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from contracts.operations.v1 import MessageAnswered
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import Message, Payload, message_of
from infra.adapters.mongo import MongoStore
from infra.gateway.command_client import CommandClient
from infra.operators.operator import source
from infra.ports.store import JOURNALS, Document, Reader
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.runtime.failure_policy import DEAD_LETTERED
from infra.settings import Settings

_RECORDS_MAX = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome and events of a command, or why it waits or is dead-lettered; `unheard` before any worker has it."""

    state: Literal["handled", "put_off", "dead", "unheard"]
    code: str = ""
    events: tuple[dict[str, Any], ...] = ()

    @property
    def refusal(self) -> dict[str, Any] | None:
        """The data of the refusal event, with reason and detail; a shop's answer has the same in its own words."""
        for event in self.events:
            if is_refusal(event["type"]):
                data: dict[str, Any] = event["data"]
                return data
            if event["type"] == MessageAnswered.message_type and event["data"]["outcome"] == "refused":
                return {**event["data"], "reason": event["data"]["code"]}
        return None


async def send(settings: Settings, store: MongoStore, payload: Payload, *, wait_s: float) -> Outcome:
    """Publish the command and wait up to `wait_s` for its outcome. Raises BrokerUnavailable."""
    key = str(uuid4())
    message: Message[Any] = message_of(payload.__class__)(
        id=key,
        source=source(),
        type=payload.message_type,
        time=RealTime().now(),
        subject=payload.about(),
        correlationid=key,
        data=payload,
    )
    client = CommandClient(settings.rabbitmq_url, publish_timeout_s=settings.publish_timeout_s)
    try:
        await client.start()
        answer = await client.send(message, wait_s=wait_s)
    finally:
        await client.stop()
    if answer is not None and answer.outcome != DEAD_LETTERED:
        return Outcome("handled", answer.outcome, tuple(answer.events))
    return await _outcome_of(store, reader_of(payload), message)


def reader_of(payload: Payload) -> str:
    """The worker that reads this command."""
    return next(
        worker.name
        for worker in roster.load_all()
        for handler in worker.handlers
        if payload.__class__ in handler.payloads
    )


async def _outcome_of(read: Reader, worker: str, message: Message[Any]) -> Outcome:
    records = await read.find(
        JOURNALS + worker, {"about": message.data.about()}, sort=(("_id", -1),), limit=_RECORDS_MAX
    )
    found = [outcome for record in records if (outcome := _in_record(record, message.key)) is not None]
    final = next((outcome for outcome in found if outcome.state != "put_off"), None)
    return final or (found[0] if found else Outcome("unheard"))


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
