"""What is in Redis is shown only if it is what was stored there; anything else is read from MongoDB."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from api.storage.cache import Cached
from api.storage.figures import _HotList, _Month, _Stock
from infra.ports.cache import Found

HOT = [{"product_id": 7, "name": "Tea", "orders": 3, "units": 5}]
STOCK = ["Asia/Shanghai", [["default", None, 10, 2], ["b2", "2027-01-31", 1, 0]]]
MONTH = {"CNY": {"orders": 1, "net_sales_minor": 100, "commissions_minor": -5}}
SHAPES = {"hot": (_HotList, HOT), "stock": (_Stock, STOCK), "month": (_Month, MONTH)}


class PlantedCache:
    """Redis with a value that another program wrote."""

    def __init__(self, value: str) -> None:
        self.value = value
        self.kept: list[str] = []

    async def look(self, keys: Sequence[str]) -> list[Found]:
        return [Found(self.value, "1") for _ in keys]

    async def keep(self, values: Mapping[str, tuple[str, Found]], *, at_least_s: float, at_most_s: float) -> int:
        self.kept += [value for value, _ in values.values()]
        return len(values)


async def got(kind: str, value: str) -> tuple[Any, PlantedCache]:
    shape, real = SHAPES[kind]

    async def read(keys: Sequence[str]) -> Mapping[str, Any]:
        return dict.fromkeys(keys, real)

    cache = PlantedCache(value)
    cached = Cached(cache, "tests:", read, shape=shape)  # type: ignore[arg-type]
    return await cached.get("key"), cache


@pytest.mark.parametrize("kind", SHAPES)
async def test_a_stored_value_is_shown(kind: str) -> None:
    value, cache = await got(kind, json.dumps(SHAPES[kind][1]))
    assert json.loads(json.dumps(value)) == SHAPES[kind][1]
    assert cache.kept == []


@pytest.mark.parametrize("kind", SHAPES)
async def test_a_stored_absence_is_an_absence(kind: str) -> None:
    assert (await got(kind, "null"))[0] is None


BROKEN = [
    "",
    "{",
    "not json",
    "7",
    '"text"',
    "NaN",
    "[" * 100_000,
    '{"a": ' * 5_000,
    "[[]]",
    "[null]",
    '[{"product_id": 7}]',
    '[{"product_id": "7", "name": "Tea", "orders": 3, "units": 5}]',
    '[{"product_id": 7, "name": "Tea", "orders": -3, "units": 5}]',
    '[{"product_id": 7.5, "name": "Tea", "orders": 3, "units": 5}]',
    '[{"product_id": true, "name": "Tea", "orders": 3, "units": 5}]',
    '[{"product_id": 7, "name": {"$ne": 1}, "orders": 3, "units": 5}]',
    '[{"product_id": 9223372036854775808, "name": null, "orders": 3, "units": 5}]',
    '["UTC", [["default", null, 10]]]',
    '["UTC", [["default", null, "10", 2]]]',
    '["UTC", [["default", 7, 10, 2]]]',
    '["Mars/Olympus", []]',
    '{"CNY": {"orders": 1}}',
    '{"XYZ": {"orders": 1, "net_sales_minor": 100, "commissions_minor": 5}}',
    '{"CNY": {"orders": 1, "net_sales_minor": 1.5, "commissions_minor": 5}}',
    '{"CNY": 7}',
    f"[{'9' * 5000}]",
]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("value", BROKEN, ids=lambda value: value[:40])
async def test_another_value_is_read_from_mongodb_and_replaced(kind: str, value: str) -> None:
    shown, cache = await got(kind, value)
    assert json.loads(json.dumps(shown)) == SHAPES[kind][1]
    assert cache.kept == [json.dumps(SHAPES[kind][1])]


async def test_more_hot_products_than_there_may_be_are_not_shown() -> None:
    shown, _ = await got("hot", json.dumps(HOT * 101))
    assert shown == HOT
