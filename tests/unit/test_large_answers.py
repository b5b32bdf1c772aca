"""Answers are bounded by bytes: pages end early, and a reader has few large answers under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from api.http.answers import AT_ONCE_MAX, LARGE_BYTES, FewLargeAnswers
from api.http.limits import PRINCIPAL
from api.http.paging import PAGE_BYTES_MAX, Sorting, page_of
from infra.ports.store import Document

BY_NUMBER = Sorting("_id", int, id_kind=int)


class Store:
    """Documents by their number, each with a size."""

    def __init__(self, *sizes: int) -> None:
        self.documents = [{"_id": number, "size": size, "even": number % 2 == 0} for number, size in enumerate(sizes)]

    def _some(self, found: Sequence[Document], limit: int, bytes_max: int) -> tuple[list[Document], bool]:
        some: list[Document] = []
        for document in found:
            if len(some) == limit or (some and sum(one["size"] for one in some) + document["size"] > bytes_max):
                return some, True
            some.append(document)
        return some, False

    async def find_some(
        self, _: str, where: Mapping[str, Any], *, limit: int, bytes_max: int, **__: Any
    ) -> tuple[list[Document], bool]:
        after = where.get("_id", {}).get("$gt", -1)
        return self._some([one for one in self.documents if one["_id"] > after], limit, bytes_max)

    async def summarise_some(
        self, _: str, stages: Sequence[Mapping[str, Any]], *, limit: int, bytes_max: int
    ) -> tuple[list[Document], bool]:
        after = stages[0]["$match"].get("_id", {}).get("$gt", -1)
        found = [one for one in self.documents if one["_id"] > after and one["even"]]
        return self._some(found, limit, bytes_max)

    async def summarise(self, _: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        return []


async def pages(store: Store, limit: int, **conditions: Any) -> list[list[int]]:
    found, cursor = [], None
    while True:
        page, cursor = await page_of(store, "things", BY_NUMBER, cursor=cursor, limit=limit, **conditions)  # type: ignore[arg-type]
        found.append([document["_id"] for document in page])
        if cursor is None:
            return found


async def test_a_page_of_large_documents_ends_early_and_the_next_goes_on() -> None:
    half = PAGE_BYTES_MAX // 2
    store = Store(half, half, half, 5 * half, 10, 10, 10)

    assert await pages(store, 50) == [[0, 1], [2], [3], [4, 5, 6]]
    assert await pages(store, 2) == [[0, 1], [2], [3], [4, 5], [6]]
    assert await pages(store, 50, checked=[{"even": True}]) == [[0, 2], [4, 6]]


async def test_a_page_of_usual_documents_has_as_many_as_were_asked_for() -> None:
    assert await pages(Store(*[2_000] * 9), 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert await pages(Store(), 4) == [[]]


class Principal:
    def __init__(self, name: str) -> None:
        self.counted_as = name


class Client:
    """Requests of principals who do not read on before `reads` is set."""

    def __init__(self, size: int) -> None:
        self.reads = asyncio.Event()
        self.app = FewLargeAnswers(self._answer)
        self._size = size

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("x" * self._size)(scope, receive, send)

    async def get(self, who: str, method: str = "GET") -> tuple[int, int]:
        status, size = 0, 0
        written = asyncio.Event()

        async def send(message: Message) -> None:
            nonlocal status, size
            if written.is_set():
                # As the server: a full buffer holds up what follows.
                await self.reads.wait()
            status = message.get("status", status)
            size += len(message.get("body", b""))
            if size >= LARGE_BYTES:
                written.set()

        scope: Scope = {"type": "http", "method": method, "path": "/", "headers": [], "client": ("192.0.2.1", 1)}
        scope["app"] = _App()
        if who:
            scope[PRINCIPAL] = Principal(who)
        await self.app(scope, _nothing, send)
        return status, size


class _App:
    class state:  # noqa: N801
        reasons: Mapping[str, Any] = {}


async def _nothing() -> Message:
    return {"type": "http.request"}


@pytest.mark.parametrize("who", ["shop s1", ""])
async def test_one_who_does_not_read_has_few_large_answers_under_way(who: str) -> None:
    client = Client(LARGE_BYTES)
    waiting = [asyncio.create_task(client.get(who)) for _ in range(AT_ONCE_MAX)]
    await asyncio.sleep(0)

    refused, _ = await client.get(who)
    assert refused in (422, 429)
    other = asyncio.create_task(client.get("shop s2"))
    await asyncio.sleep(0)
    client.reads.set()

    assert await other == (200, LARGE_BYTES)
    assert await asyncio.gather(*waiting) == [(200, LARGE_BYTES)] * AT_ONCE_MAX
    assert await client.get(who) == (200, LARGE_BYTES)


async def test_small_answers_and_answers_to_writes_are_sent_as_they_are() -> None:
    small, large = Client(LARGE_BYTES - 1), Client(LARGE_BYTES)
    assert await asyncio.gather(*(small.get("s1") for _ in range(50))) == [(200, LARGE_BYTES - 1)] * 50
    large.reads.set()
    assert await asyncio.gather(*(large.get("s1", "POST") for _ in range(50))) == [(200, LARGE_BYTES)] * 50
