"""A message that may end its process is tried while all other lanes of its process are empty."""

from __future__ import annotations

import asyncio

from infra.ports.time import RealTime
from infra.runtime.lanes import Gate, SharedByLanes
from infra.settings import Settings


async def test_a_suspect_waits_for_the_other_lanes_and_they_wait_for_it() -> None:
    gate = Gate()
    notifications, webhooks = (SharedByLanes(RealTime(), Settings(), gate) for _queue in range(2))
    seen: list[str] = []
    may_end = asyncio.Event()

    async def lane(queue: SharedByLanes, name: str) -> None:
        async with queue.beside_others():
            seen.append(f"{name} begins")
            await may_end.wait()
            seen.append(f"{name} ends")

    async def suspect() -> None:
        async with webhooks.alone():
            seen.append("alone")

    async with asyncio.TaskGroup() as group:
        group.create_task(lane(notifications, "first"))
        await asyncio.sleep(0)
        group.create_task(suspect())
        await asyncio.sleep(0)
        group.create_task(lane(notifications, "second"))
        await asyncio.sleep(0.1)
        may_end.set()

    assert seen == ["first begins", "first ends", "alone", "second begins", "second ends"]
