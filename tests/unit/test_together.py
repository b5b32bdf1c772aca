"""An audit asks about many ids at once: every item is in one list, in sequence, and no list is empty."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infra.auditing.audit import together


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize(
    ("count", "lists"),
    [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]]), (6, [[0, 1, 2], [3, 4, 5]])],
)
async def test_items_come_in_full_lists_and_the_rest(count: int, lists: list[list[int]]) -> None:
    assert [found async for found in together(numbers(count), 3)] == lists
