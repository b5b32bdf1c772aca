"""One principal has few requests at work; large views are built beside the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from time import monotonic, sleep

import pytest
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.http.answers import FewLargeAnswers
from api.http.conditions import json_of
from api.http.problems import Problem
from api.http.turns import PARTS_MAX, READS_MAX, WAITING_MAX, RequestTurns, built


class App:
    """Reads that take until `done` is set, behind the middleware that ends their turns."""

    def __init__(self) -> None:
        self.turns = RequestTurns(READS_MAX)
        self.at_work = 0
        self.done = asyncio.Event()
        self.read = asyncio.Event()
        self.app = FewLargeAnswers(self._answer)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.turns.begin(scope, scope["who"])
        self.at_work += 1
        try:
            await self.done.wait()
        finally:
            self.at_work -= 1
        if scope["path"] == "/fails":
            raise RuntimeError
        if scope["path"] == "/streams":
            await StreamingResponse(self._parts())(scope, receive, send)
            return
        await PlainTextResponse("")(scope, receive, send)

    async def _parts(self) -> AsyncIterator[bytes]:
        yield b"a"
        await self.read.wait()
        yield b"b"

    async def get(self, who: str, path: str = "/", method: str = "GET") -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(_: Message) -> None:
            return

        scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": method, "path": path, "headers": []}
        await self.app({**scope, "who": who}, receive, send)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_further_reads_of_a_principal_wait_and_others_do_not() -> None:
    app = App()
    busy = [asyncio.create_task(app.get("shop s1")) for _ in range(READS_MAX + 3)]
    await settled()
    assert app.at_work == READS_MAX
    other = asyncio.create_task(app.get("shop s2"))
    await settled()
    assert app.at_work == READS_MAX + 1

    app.done.set()
    await asyncio.gather(*busy, other)
    await asyncio.wait_for(app.get("shop s1"), 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_fails_or_is_given_up_ends_its_turn(method: str) -> None:
    app = App()
    given_up = [asyncio.create_task(app.get("shop s1", method=method)) for _ in range(READS_MAX + 1)]
    await settled()
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)

    app.done.set()
    for _ in range(READS_MAX + 1):
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(app.get("shop s1", "/fails", method), 1)


async def test_a_streamed_answer_keeps_its_turn_until_its_end() -> None:
    app = App()
    app.done.set()
    streams = [asyncio.create_task(app.get("shop s1", "/streams")) for _ in range(READS_MAX)]
    further = asyncio.create_task(app.get("shop s1"))
    await asyncio.sleep(0.05)
    assert not further.done()

    app.read.set()
    await asyncio.wait_for(asyncio.gather(further, *streams), 1)


async def test_too_many_that_wait_are_refused() -> None:
    app = App()
    busy = [asyncio.create_task(app.get("shop s1")) for _ in range(READS_MAX + WAITING_MAX)]
    await settled()

    with pytest.raises(Problem, match="too_many_requests"):
        await app.get("shop s1")
    app.done.set()
    await asyncio.gather(*busy)


async def test_the_loop_goes_on_while_a_large_view_is_built() -> None:
    def build() -> str:
        sleep(0.3)
        return threading.current_thread().name

    building = asyncio.create_task(built(PARTS_MAX + 1, build))
    begun = monotonic()
    await asyncio.sleep(0.01)

    assert monotonic() - begun < 0.25
    assert (await building).startswith("large-views")
    assert await built(PARTS_MAX, lambda: threading.current_thread() is threading.main_thread())


class Item(BaseModel):
    number: int


class Items(BaseModel):
    name: str
    items: list[Item]


@pytest.mark.parametrize("numbers", [[], [1], [1, 2, 3]])
def test_a_page_is_written_item_by_item_with_the_same_content(numbers: list[int]) -> None:
    shown = Items(name='"a"', items=[Item(number=number) for number in numbers])

    assert json.loads(json_of(shown)) == shown.model_dump(mode="json")
    assert json_of(Item(number=1)) == '{"number":1}'
