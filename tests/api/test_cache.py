"""A cached value is never older than the last event received, and is read without Redis as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.storage.cache import Cached
from infra.adapters.redis import RedisCache
from infra.ports.cache import CacheUnavailable, Found
from tests.api.front import Front, serving, unique
from tests.api.world import World, a_world
from tests.connected.running import Site, free_ports, until


@pytest.fixture
async def cache(site: Site) -> AsyncIterator[RedisCache]:
    cache = RedisCache.connect(site.settings.redis_url)
    yield cache
    await cache.close()


async def kept(cache: RedisCache, key: str, value: str, found: Found) -> int:
    return await cache.keep({key: (value, found)}, at_least_s=0, at_most_s=30)


async def look(cache: RedisCache, key: str) -> Found:
    [found] = await cache.look([key])
    return found


async def test_a_read_before_a_change_never_replaces_a_read_after_it(cache: RedisCache) -> None:
    key = unique("tests:cache")
    before = await look(cache, key)
    await cache.invalidate([key])
    after = await look(cache, key)
    assert int(after.version) > int(before.version)
    assert await kept(cache, key, "new", after) == 1
    assert await kept(cache, key, "old", before) == 0
    assert (await look(cache, key)).value == "new"
    # A late event only causes another read.
    await cache.invalidate([key])
    assert (await look(cache, key)).value is None
    assert await kept(cache, key, "old", before) == 0


async def test_a_value_that_a_change_overtook_is_kept_for_the_minimum_time_only(cache: RedisCache) -> None:
    key = unique("tests:cache")
    before = await look(cache, key)
    await cache.invalidate([key])
    assert await cache.keep({key: ("overtaken", before)}, at_least_s=1, at_most_s=30) == 1
    assert (await look(cache, key)).value == "overtaken"
    await asyncio.sleep(1.05)
    assert (await look(cache, key)).value is None


async def test_a_value_expires_and_a_late_read_does_not_replace_it(cache: RedisCache) -> None:
    key = unique("tests:cache")
    found = await look(cache, key)
    assert await cache.keep({key: ("short", found)}, at_least_s=0, at_most_s=0.1) == 1
    await asyncio.sleep(0.15)
    assert await kept(cache, key, "late", found) == 0
    assert (await look(cache, key)).value is None


async def test_an_event_about_an_unread_key_stores_nothing(cache: RedisCache) -> None:
    key = unique("tests:cache")
    await cache.invalidate([key])
    assert await cache._client.exists(key) == 0


async def test_a_crowd_does_not_switch_limits_off(cache: RedisCache) -> None:
    """The client has a hundred connections at most, and one call more than that would count as an absence of Redis."""
    key = unique("crowd")
    crowd = await asyncio.gather(*(cache.take(key, quota=300, window_s=3600) for _ in range(500)))
    assert sum(each.taken for each in crowd) == 300


async def test_what_another_program_wrote_is_removed(cache: RedisCache) -> None:
    """Broken entries must neither be shown, nor last, nor keep Redis from being used."""
    plants: tuple[Callable[[str], Any], ...] = (
        lambda key: cache._client.set(key, "text"),
        lambda key: cache._client.rpush(key, "a", "b"),
        lambda key: cache._client.hset(key, mapping={"n": "x", "v": "planted", "m": "x", "u": "x"}),
        lambda key: cache._client.hset(key, mapping={"n": "5", "v": "planted", "m": "y", "u": "never"}),
    )
    for number, plant in enumerate(plants):
        for first in ("look", "invalidate"):
            key = unique(f"tests:planted{number}")
            await plant(key)
            if first == "invalidate":
                await cache.invalidate([key])
            found = await look(cache, key)
            assert found.value is None, number
            assert await kept(cache, key, "real", found) == 1
            assert (await look(cache, key)).value == "real"


async def test_a_planted_counter_neither_lifts_a_limit_nor_lasts(cache: RedisCache) -> None:
    for plant in (
        lambda key: cache._client.set(key, "text"),
        lambda key: cache._client.rpush(key, "a"),
        lambda key: cache._client.set(key, "-1"),
    ):
        key = unique("tests:limit")
        await plant(key)
        taken = [(await cache.take(key, quota=3, window_s=600)).taken for _ in range(4)]
        assert taken == [True] * 3 + [False]
    key = unique("tests:limit")
    await cache._client.set(key, "9" * 30)
    assert (await cache.take(key, quota=3, window_s=600)).wait_s <= 600


async def _is_true(fact: bool) -> bool:
    return fact


class Source:
    """The source of values, which counts its reads. A read ends when the test lets it."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()
        self.reads: list[tuple[str, ...]] = []
        self.values: dict[str, Any] = {"a": 1, "b": {"two": 2}}

    async def read(self, keys: Sequence[str]) -> Mapping[str, Any]:
        self.reads.append(tuple(keys))
        found = dict(self.values)
        self.begun.set()
        await self.may_end.wait()
        return {key: found[key] for key in keys if key in found}


async def test_concurrent_readers_share_one_read(cache: RedisCache) -> None:
    source = Source()
    source.may_end.clear()
    cached = Cached(cache, unique("tests:cache") + ":", source.read)
    alone = [asyncio.create_task(cached.get("a")) for _ in range(50)]
    await source.begun.wait()
    together = asyncio.create_task(cached.get_many(["a", "b", "none"]))
    await until(lambda: _is_true(len(source.reads) == 2), what="the others are read as well")
    source.may_end.set()
    assert await asyncio.gather(*alone) == [1] * 50
    assert await together == {"a": 1, "b": {"two": 2}}
    assert source.reads == [("a",), ("b", "none")]
    assert await cached.get_many(["a", "b", "none"]) == {"a": 1, "b": {"two": 2}}
    assert len(source.reads) == 2, "a missing value is cached as well"


async def test_after_a_change_the_value_is_read_again(cache: RedisCache) -> None:
    source = Source()
    cached = Cached(cache, unique("tests:cache") + ":", source.read)
    assert await cached.get("a") == 1
    source.values["a"] = 5
    await cached.invalidate(["a"])

    async def is_new() -> bool:
        return bool(await cached.get("a") == 5)

    await until(is_new, what="the value is the new one")


async def test_a_change_during_a_read_is_not_lost(cache: RedisCache) -> None:
    source = Source()
    cached = Cached(cache, unique("tests:cache") + ":", source.read)
    source.may_end.clear()
    first = asyncio.create_task(cached.get("a"))
    await source.begun.wait()
    source.values["a"] = 5
    await cached.invalidate(["a"])
    source.may_end.set()
    second = await cached.get("a")
    assert (await first, second) == (1, 5)
    assert await cached.get("a") == 5


async def test_without_redis_every_read_goes_to_the_source(tmp_path: Path) -> None:
    nowhere = RedisCache.connect(f"redis://127.0.0.1:{free_ports(1)}/0")
    source = Source()
    cached = Cached(nowhere, "tests:", source.read)
    assert await cached.get("a") == 1
    await cached.invalidate(["a"])
    assert await cached.get("a") == 1
    assert len(source.reads) == 2
    with pytest.raises(CacheUnavailable):
        await nowhere.look(["a"])
    await nowhere.close()


async def test_a_failed_read_is_an_error_for_all_waiting_readers(cache: RedisCache) -> None:
    async def fails(keys: Sequence[str]) -> Mapping[str, Any]:
        await asyncio.sleep(0.01)
        raise OSError("away")

    cached = Cached(cache, unique("tests:cache") + ":", fails)
    answers = await asyncio.gather(cached.get("a"), cached.get("a"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError]


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front, stock=50)


async def test_the_hot_list_has_the_current_stock(world: World) -> None:
    async with world.as_admin() as admin:
        await world.placed(admin, quantity=3)

        async def available() -> int | None:
            answer = await admin.get("/api/inventory/hot", params={"limit": 100})
            assert answer.status_code == 200, answer.text
            [mine] = [one for one in answer.json()["items"] if one["product_id"] == world.product_id] or [{}]
            return mine.get("available")

        async def shows(units: int) -> bool:
            return await available() == units

        await until(lambda: shows(47), what="the reservation shows")
        await world.placed(admin, quantity=5)
        await until(lambda: shows(42), what="the next reservation shows, long before the value's time is over")
        first = await admin.get("/api/inventory/hot")
        again = await admin.get("/api/inventory/hot", headers={"If-None-Match": first.headers["etag"]})
        async with world.as_shop() as shop:
            # The figures are those of all shops.
            assert (await shop.get("/api/inventory/hot")).status_code == 404
        assert again.status_code in (200, 304)


async def test_the_hot_list_counts_an_order_once_however_many_lines_it_has(world: World) -> None:
    async with world.as_admin() as admin:

        async def hot() -> dict[str, int]:
            answer = await admin.get("/api/inventory/hot", params={"limit": 100})
            [mine] = [one for one in answer.json()["items"] if one["product_id"] == world.product_id] or [{}]
            return {name: mine.get(name, 0) for name in ("orders", "units")}

        before = await hot()
        line = {"product_id": world.product_id, "quantity": 1, "amount": "1.00"}
        body = {"shop_id": world.shop_id, "order_id": unique("o"), "distributor_id": world.seller, "lines": [line] * 4}
        answer = await admin.post("/api/orders", json=body)
        assert answer.status_code == 201, answer.text

        async def counted() -> bool:
            return await hot() == {"orders": before["orders"] + 1, "units": before["units"] + 4}

        await until(counted, what="the order counts once")


async def test_the_hot_list_counts_what_may_be_sold_today(world: World) -> None:
    """Thirty expired units are on hand, but not available."""
    async with world.as_admin() as admin:
        await world.placed(admin, quantity=1)
        lot = {"stock": 30, "batch_id": "gone", "expiry_date": "2020-01-31"}
        assert (await admin.put(f"/api/inventory/{world.product_id}", json=lot)).status_code == 200

        async def agrees() -> bool:
            answer = await admin.get("/api/inventory/hot", params={"limit": 100})
            [mine] = [one for one in answer.json()["items"] if one["product_id"] == world.product_id] or [{}]
            stock = (await admin.get(f"/api/inventory/{world.product_id}")).json()
            assert stock["available"] == stock["sellable"] + 30
            return (mine.get("on_hand"), mine.get("available")) == (stock["on_hand"], stock["sellable"])

        await until(agrees, what="the hot list shows what may be sold")


async def test_a_month_shows_sales_refunds_and_commissions(world: World) -> None:
    url = f"/api/distributors/{world.seller}/performance"
    async with world.as_admin() as admin, world.as_distributor(world.top) as top:

        async def shows(orders: int, net_sales: str, commissions: str) -> bool:
            answer = await top.get(url)
            assert answer.status_code == 200, answer.text
            expected = {"currency": "CNY", "orders": orders, "net_sales": net_sales, "commissions": commissions}
            return answer.json()["currencies"] == [expected]

        assert (await top.get(url)).json()["currencies"] == []
        order = await world.paid(admin)
        await until(lambda: shows(1, "100.00", "10.00"), what="the sale shows")
        refund = {"refund_id": unique("refund"), "lines": [{"product_id": world.product_id, "quantity": 1}]}
        answer = await admin.post(f"/api/orders/{world.shop_id}/{order['order_id']}/refunds", json=refund)
        assert answer.status_code in (200, 201), answer.text
        await until(lambda: shows(1, "50.00", "5.00"), what="the refund shows")
        assert (await top.get(url, params={"month": "2020-01"})).json()["currencies"] == []
    async with world.as_distributor(world.seller) as seller:
        assert (await seller.get(f"/api/distributors/{world.top}/performance")).status_code == 404


async def test_figures_work_without_redis(world: World, site: Site, tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_ports(1)}/0"
    async with (
        serving(site, tmp_path, redis_url=nowhere, public_url=world.front.url) as alone,
        alone.client() as client,
    ):
        async with world.as_admin() as admin:
            client.headers["Authorization"] = admin.headers["Authorization"]
        for _ in range(2):
            hot = await client.get("/api/inventory/hot", params={"limit": 100})
            assert world.product_id in [one["product_id"] for one in hot.json()["items"]]
        assert (await client.get(f"/api/distributors/{world.seller}/performance")).status_code == 200
