"""Rate limits: counted in Redis, shown in headers, and off without Redis."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from api.http.turns import WAITING_MAX, WRITES_MAX
from api.identity.repository import USERS
from contracts.network.v1 import RegisterShop
from infra.adapters.redis import RedisCache
from tests.api.front import Front, a_network, bearer, lines_of, serving, unique
from tests.api.world import a_world
from tests.connected.running import Site, free_ports, until


async def test_a_principal_has_a_quota_per_minute(site: Site, front: Front, tmp_path: Path) -> None:
    async with front.client() as client:
        token = await front.admin(client)
    async with serving(site, tmp_path, public_url=front.url, requests_per_minute=12) as small, small.client() as client:
        client.headers.update(bearer(token))
        answers = await asyncio.gather(*(client.get("/api/me") for _ in range(15)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 1 <= len(refused) <= 3
        assert {answer.status_code for answer in answers} == {200, 429}
        problem = refused[0]
        assert problem.json()["reason"] == "too_many_requests"
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.headers["ratelimit-policy"] == '"principal";q=12;w=60'
        assert problem.headers["ratelimit"].startswith('"principal";r=0;t=')
        assert 1 <= int(problem.headers["retry-after"]) <= 5
        left = sorted(int(a.headers["ratelimit"].split("r=")[1].partition(";")[0]) for a in answers)
        assert left[-1] == 11
        # Another address does not help, waiting does.
        elsewhere = await client.get("/api/me", headers={"X-Forwarded-For": a_network()})
        assert elsewhere.status_code == 429
        await asyncio.sleep(5.1)
        assert (await client.get("/api/me")).status_code == 200


async def test_of_many_writes_at_once_some_are_at_work_some_wait_and_the_others_are_refused(
    site: Site, front: Front
) -> None:
    """New users take a password's hash each, so they keep their turn for long."""
    async with front.client(limits=httpx.Limits(max_connections=None)) as client:
        client.headers.update(bearer(await front.admin(client)))
        emails = [f"{unique('burst')}@example.com" for _ in range(WRITES_MAX + WAITING_MAX + 40)]
        answers = await asyncio.gather(
            *(client.post("/api/users", json={"email": email, "roles": ["ROLE_ADMIN"]}) for email in emails)
        )
    refused = [email for email, answer in zip(emails, answers, strict=True) if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {201, 429}
    assert {answer.json()["detail"] for answer in answers if answer.status_code == 429} == {
        f"Wait for the answers to your other requests: {WRITES_MAX} are at work and {WAITING_MAX} wait."
    }
    made = await site.documents(USERS.name, {"email": {"$in": emails}})
    assert {user["email"] for user in made} == set(emails) - set(refused)


async def test_of_many_orders_at_once_each_is_placed_or_refused(site: Site, front: Front) -> None:
    """Some are at work and some wait; what is refused was not placed, and none is answered as unconfirmed."""
    world = await a_world(front)
    at_once = WRITES_MAX + WAITING_MAX + 70
    async with world.as_shop() as shop:
        orders = [world.order(order_id=f"burst-{number}") for number in range(at_once)]
        answers = await asyncio.gather(
            *(shop.post("/api/orders", json=order, headers={"Prefer": "respond-async"}) for order in orders)
        )
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} <= {202, 429}
    assert {answer.json()["reason"] for answer in refused} <= {"too_many_requests"}

    async def placed() -> bool:
        found = await site.documents("order_intake.orders", {"shop_id": world.shop_id})
        assert len(found) <= at_once - len(refused)
        return len(found) == at_once - len(refused)

    await until(placed, what="every order that was not refused is placed")


async def test_logins_of_one_distributor_or_shop_have_one_quota(site: Site, front: Front, tmp_path: Path) -> None:
    distributor_id = await front.distributor()
    shop_id = unique("shop")
    async with serving(site, tmp_path, public_url=front.url, requests_per_minute=6) as small, small.client() as client:
        distributors = [(await front.log_in_as(client, distributor_id))[1]["access_token"] for _ in range(2)]
        other = (await front.log_in_as(client, await front.distributor()))[1]["access_token"]
        await front.send(RegisterShop(shop_id=shop_id, currency="CNY"))
        shops = []
        for _ in range(2):
            auth = await front.operations.create_shop(shop_id)
            answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=auth)
            shops.append(front.remember(answer.json())["access_token"])
        for logins in (distributors, shops):
            answers = [await client.get("/api/me", headers=bearer(logins[n % 2])) for n in range(8)]
            assert [answer.status_code for answer in answers].count(200) in (6, 7), [a.status_code for a in answers]
        assert (await client.get("/api/me", headers=bearer(other))).status_code == 200


async def test_an_anonymous_address_has_a_quota_of_its_own(site: Site, tmp_path: Path) -> None:
    async with (
        serving(site, tmp_path, anonymous_requests_per_minute=5) as small,
        small.client() as client,
        small.client() as neighbour,
    ):
        answers = [await client.get("/api/problems") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[0].headers["ratelimit-policy"] == '"address";q=5;w=60'
        assert (await neighbour.get("/api/problems")).status_code == 200
        # An invalid token counts for the address, too.
        for _ in range(6):
            last = await neighbour.get("/api/me", headers=bearer("none"))
        assert last.status_code == 429
        for path in ("/livez", "/readyz", "/docs"):
            assert (await client.get(path)).status_code == 200


async def test_no_header_switches_the_limit_of_an_address_off(site: Site, tmp_path: Path) -> None:
    refresh = {"refresh_token": "z"}
    async with serving(site, tmp_path, anonymous_requests_per_minute=10) as small:
        for method, path, options in (
            ("POST", "/api/auth/refresh", {"json": refresh}),
            ("POST", "/api/auth/login", {"json": {}}),
            ("POST", "/api/auth/register", {"json": {}}),
            ("GET", "/oauth/authorize", {}),
            ("POST", "/oauth/token", {"data": {}}),
            ("GET", "/api/problems", {}),
            ("GET", "/api/nowhere", {}),
            ("GET", "/api/me", {}),
            ("DELETE", "/api/me", {}),
            ("POST", "/api/orders", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
            ("POST", "/api/orders", {"content": b" " * (1024 * 1024 + 1)}),
        ):
            async with small.client() as client:
                client.headers.update(bearer("x"))
                codes = [(await client.request(method, path, **options)).status_code for _ in range(12)]
            assert 429 not in codes[:10], (path, codes)
            assert codes[10:] == [429, 429], (path, codes)
        async with small.client() as client:
            codes = []
            for number in range(12):
                client.headers["X-Forwarded-For"] = f"2001:db8:7:7::{number:x}"
                codes.append((await client.get("/api/problems")).status_code)
        assert codes == [200] * 10 + [429] * 2


async def test_the_server_itself_bounds_a_request(front: Front) -> None:
    parts = urlsplit(front.url)

    async def status(*pieces: bytes) -> int:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
            return int((await asyncio.wait_for(reader.readline(), 20)).split(b" ")[1])
        finally:
            writer.close()

    get = b"GET /livez HTTP/1.1\r\n"
    assert await status(get + b"Host: a\r\nConnection: close\r\n\r\n") == 200
    assert await status(get + b"Host: a\r\nX: ", *[b"y" * 65_536] * 128, b"\r\n\r\n") == 431
    assert await status(get + b"\r\n") == 400
    assert await status(get + b"Host: a\r\nHost: b\r\n\r\n") == 400
    assert await status(get + b"Host: a\r\n") == 408


async def test_no_answer_leads_to_the_host_that_a_client_names(front: Front, client: httpx.AsyncClient) -> None:
    for path in ("/api/users/", "/api/orders/", "/docs/", "/oauth/authorize/"):
        answer = await client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code in (404, 405)
        assert "location" not in answer.headers


async def test_private_answers_are_not_stored(front: Front, client: httpx.AsyncClient) -> None:
    client.headers.update(bearer(await front.admin(client)))
    for path in ("/api/me", "/api/users", "/api/orders", "/api/audit", "/api/shops", "/api/nowhere"):
        answer = await client.get(path)
        assert answer.headers["cache-control"] in ("no-store", "private, no-cache"), path


async def test_without_redis_there_are_no_limits_and_a_log_entry(site: Site, tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_ports(1)}/0"
    async with serving(site, tmp_path, redis_url=nowhere, anonymous_requests_per_minute=5) as alone:
        async with alone.client() as client:
            answers = [await client.get("/api/problems") for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        assert "ratelimit" not in answers[0].headers
        outages = [line for line in lines_of(alone.log) if line["event"] == "cache_away"]
        assert len(outages) == 1


async def test_a_redis_that_does_not_answer_delays_one_request(site: Site, tmp_path: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    silent = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    async with server, serving(site, tmp_path, redis_url=silent) as alone, alone.client() as client:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(20):
            assert (await client.get("/api/problems")).status_code == 200
        assert loop.time() - begun < 6


async def test_a_quota_refills_evenly(site: Site) -> None:
    cache = RedisCache.connect(site.settings.redis_url)
    try:
        slow = unique("tests:limit")
        taken = [await cache.take(slow, quota=10, window_s=600) for _ in range(12)]
        assert [one.taken for one in taken] == [True] * 10 + [False] * 2
        assert taken[0].left == 9
        assert 0 < taken[11].wait_s <= 60
        assert 300 < taken[11].full_in_s <= 600
        quick, begun = unique("tests:limit"), time.monotonic()
        given = [(await cache.take(quick, quota=10, window_s=5)).taken for _ in range(10)]
        await asyncio.sleep(1.1)
        given += [(await cache.take(quick, quota=10, window_s=5)).taken for _ in range(20)]
        assert 12 <= sum(given) <= 10 + 2 * (time.monotonic() - begun) + 1
        assert (await cache.take(unique("tests:limit"), quota=10, window_s=1)).left == 9
    finally:
        await cache.close()


async def test_the_docs_need_no_client_library(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype", "")
    for path in ("/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js", "/docs/favicon-32x32.png"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")
