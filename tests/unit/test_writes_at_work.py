"""Of all principals, few writes are at work at a time; one that waits for its outcome is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from api.access.writing import Sent, Writer
from api.http.preferences import Preferences
from api.identity.principal import Principal
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.storage.audit_log import AuditLog
from api.storage.repository import COLLECTIONS, MESSAGES
from contracts.network.v1 import MoveDistributor
from infra.gateway.command_client import Answer
from infra.ports.messaging import BrokerUnavailable
from tests.workflow.in_memory import InMemoryStore, ManualTime

AT_WORK = 2


class Broker:
    """It has a command once `confirms` is set, and answers once `answers` is."""

    connected = True

    def __init__(self) -> None:
        self.confirms, self.answers = asyncio.Event(), asyncio.Event()
        self.is_lost = False

    async def send(self, _: Any, *, wait_s: float, on_confirmed: Callable[[], None]) -> Answer:
        await self.confirms.wait()
        if self.is_lost:
            raise BrokerUnavailable("RabbitMQ did not take the command")
        on_confirmed()
        await self.answers.wait()
        return Answer("moved", [])


class Api:
    def __init__(self) -> None:
        self.broker, self.store, time = (
            Broker(),
            InMemoryStore((*COLLECTIONS, *IDENTITY_COLLECTIONS)),
            ManualTime(datetime.now(UTC)),
        )
        limits = SimpleNamespace(writes_at_work=asyncio.Semaphore(AT_WORK))
        audit = AuditLog(self.store, time)  # type: ignore[arg-type]
        self.ports: Any = SimpleNamespace(store=self.store, commands=self.broker, time=time, audit=audit, limits=limits)

    async def write(self, number: int) -> object:
        principal = Principal("shop", f"s{number}", frozenset(), shop_id=f"s{number}")
        request: Any = SimpleNamespace(headers={}, scope={"tributary.request_id": f"r{number}"})
        writer = Writer(request, self.ports, principal, Preferences(wait=5), None)
        return await writer.send(MoveDistributor(distributor_id=number, sponsor_id=1))

    @property
    def recorded(self) -> int:
        return len(self.store.table(MESSAGES.name).find({}))


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_further_writes_wait_until_the_broker_has_those_before(is_lost: bool) -> None:
    api = Api()
    api.broker.is_lost = is_lost
    writes = [asyncio.create_task(api.write(number)) for number in range(2, 2 + AT_WORK + 3)]
    await settled()
    assert api.recorded == AT_WORK

    api.broker.confirms.set()
    await settled()
    assert api.recorded == len(writes), "that their outcomes are not there yet keeps no one waiting"

    api.broker.answers.set()
    ended = await asyncio.gather(*writes, return_exceptions=True)
    assert {each.__class__ for each in ended} == {BrokerUnavailable if is_lost else Sent}, ended
