"""A body that ends its process while it is read is dead-lettered unread: its rule is never reached."""

from __future__ import annotations

from typing import Any

import pytest

from infra.ports.messaging import Delivery
from infra.runtime.decoding import Decoder
from infra.runtime.fold import Work
from tests.builders import place
from tests.workflow.system import System

FATAL = b'{"fatal": true}'
DEATHS_MAX = 20


class Died(BaseException):
    """The process ended, as by the system's lack of memory."""


async def test_it_is_dead_lettered_and_its_neighbours_are_handled(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    works_of = Decoder.works_of

    def fatal(decoder: Decoder, delivery: Delivery) -> list[Work]:
        if delivery.body == FATAL:
            raise Died
        return works_of(decoder, delivery)

    monkeypatch.setattr(Decoder, "works_of", fatal)
    await system.send_bytes("order.place.v1", FATAL)
    await system.publish(place())
    deaths = 0
    while deaths < DEATHS_MAX:
        system.loops = system.loops_with(system.broker)
        try:
            await system.run_until_idle()
            break
        except Died:
            deaths += 1
            system.broker.redeliver()

    [letter] = system.events("message.dead-lettered.v1")
    data: dict[str, Any] = letter["data"]
    assert (data["reason"], data["body"]) == ("ends_its_process", FATAL.decode())
    assert len(system.events("order.accepted.v1")) == 1
    assert deaths < DEATHS_MAX
