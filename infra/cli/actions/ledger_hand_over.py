"""`tributary ledger hand-over`: publishes what settlement and payouts have to know of the time before they ran."""

from __future__ import annotations

import asyncio
from typing import Any

from contracts.wire.envelope import EVENTS_EXCHANGE, STRUCTURED, Message
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq import RabbitPublisher
from infra.auditing.audit import together
from infra.cli.actions.ledger_quiet import require_rewards_booked
from infra.cli.actions.operating import note_change
from infra.operators.hand_over import handed_over
from infra.operators.payable import payable
from infra.ports.messaging import Outgoing, Publisher
from infra.settings import Settings
from infra.terminal.environment import one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line

_AT_A_TIME = 200
"""Messages that are published before waiting for their confirms."""


def hand_over(stack: str) -> None:
    with one_sentence_on_failure():
        count = asyncio.run(_run(settings_for(stack)))
    print_line(f"{count} events handed over; settlement books what it had not booked, and what is payable has payouts.")


async def _run(settings: Settings) -> int:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    publisher = RabbitPublisher(settings.rabbitmq_url, timeout_s=settings.publish_timeout_s)
    try:
        await store.ping()
        await require_rewards_booked(settings, store)
        await publisher.start()
        await note_change(settings, "ledger.hand-over", "ledger", {})
        return await _publish(store, publisher)
    finally:
        await publisher.stop()
        store.close()


async def _publish(store: MongoStore, publisher: Publisher) -> int:
    count = 0
    for source in (handed_over(store), payable(store)):
        async for messages in together(source, _AT_A_TIME):
            await publisher.publish([_outgoing(message) for message in messages])
            count += len(messages)
    return count


def _outgoing(message: Message[Any]) -> Outgoing:
    return Outgoing(EVENTS_EXCHANGE, message.type, message.to_bytes(), STRUCTURED)
