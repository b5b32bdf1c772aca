"""An operator's commands, and the start and the end of the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import jwt
import pytest
from aio_pika.exceptions import AMQPConnectionError
from cryptography.hazmat.primitives.asymmetric import rsa

from contracts.network.v1 import RegisterShop
from tests.api.front import Front, an_email, bearer, serving, unique
from tests.connected.running import Site, command, until
from tests.servers import LocalStack


async def test_the_first_administrator_and_a_shop_are_created_by_command(
    front: Front, client: httpx.AsyncClient
) -> None:
    email, shop_id = an_email(), unique("shop")
    await front.send(RegisterShop(shop_id=shop_id, currency="CNY"))
    admin, again, shop, client_made, bad, lost = await asyncio.gather(
        front.command("identity", "create-admin", email),
        front.command("identity", "create-login", an_email(), "999999999999999"),
        front.command("identity", "create-shop", shop_id, "--json"),
        front.command("identity", "create-client", unique("app"), "https://app.example/cb"),
        front.command("identity", "create-client", unique("app"), "http://app.example/cb"),
        front.command("audit", "verify", "--expect", "nonsense"),
    )
    assert admin.code == 0
    assert "one_time_password: " in admin.out
    assert (again.code, again.out, len(again.err.splitlines())) == (1, "", 1)
    assert shop.object["client_id"] == f"shop.{shop_id}"
    assert shop.object["client_secret"] not in shop.err
    assert client_made.code == 0
    assert (bad.code, bad.out) == (2, "")
    assert "cannot be redirected to" in bad.err
    assert lost.code == 2
    form = {"grant_type": "client_credentials"}
    pair = (shop.object["client_id"], shop.object["client_secret"])
    assert (await client.post("/oauth/token", data=form, auth=pair)).status_code == 200
    nearly = await front.command("identity", "create-shop", shop_id + "x")
    assert (nearly.code, nearly.out) == (1, "")
    assert f"There is no shop {shop_id}x" in nearly.err
    assert shop_id in nearly.err.partition("Did you mean ")[2]
    twice = await front.command("identity", "create-admin", email)
    assert (twice.code, "already" in twice.err) == (1, True)
    entries = await front.site.documents("api.audit", {"target": pair[0]})
    assert [(entry["who"]["kind"], entry["action"]) for entry in entries] == [("operator", "client.secret-added")]


async def test_a_shop_may_have_no_login_at_the_broker(front: Front, stack: LocalStack) -> None:
    shop_id = unique("shop")
    await front.send(RegisterShop(shop_id=shop_id, currency="CNY"))
    environment = {**front.environment, "RABBITMQ_MANAGEMENT_URL": stack.endpoints.rabbitmq_management_url}

    async def create(*options: str) -> Any:
        return await command("identity", "create-shop", shop_id, "--json", *options, environment=environment)

    both = await create()
    address = both.object["rabbitmq_url"]
    async with await aio_pika.connect(address):
        http_only = await create("--http-only")
    assert "rabbitmq_url" not in http_only.object
    assert http_only.object["connections_left"] == 0
    with pytest.raises(AMQPConnectionError):
        await aio_pika.connect(address)
    form = {"grant_type": "client_credentials"}
    pair = (http_only.object["client_id"], http_only.object["client_secret"])
    async with front.client() as client:
        assert (await client.post("/oauth/token", data=form, auth=pair)).status_code == 200


async def test_health_and_openapi(front: Front, client: httpx.AsyncClient) -> None:
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "lacks": {}, "degraded": {}})
    assert (await client.get("/livez")).json() == {"status": "alive"}
    assert "python_info" in (await client.get("/metrics")).text
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "ProblemDetails" in document["components"]["schemas"]
    headers = (await client.get("/livez", headers={"X-Request-Id": "mine"})).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"] != "mine"
    assert "server" not in headers


async def test_a_request_is_one_log_line_without_secrets(front: Front, client: httpx.AsyncClient) -> None:
    secret = unique("very-secret")
    answer = await client.get("/oauth/authorize", params={"code": secret, "state": secret}, headers=bearer(secret))
    line = await front.log_line_of(answer)
    assert (line["event"], line["route"], line["status"]) == ("answered", "/oauth/authorize", 400)
    assert secret not in front.log.read_text()


async def test_without_its_database_it_exits_with_the_reason(front: Front) -> None:
    nowhere = {"MONGODB_URL": "mongodb://127.0.0.1:1/?replicaSet=x", "TRIBUTARY_STARTUP_WAIT_S": "1"}
    ended = await command("api", "--port", "0", environment={**front.environment, **nowhere})
    assert ended.code == 3
    [line] = [json.loads(text) for text in ended.err.splitlines()]
    assert line["event"] == "cannot start"
    assert "127.0.0.1:1" in line["reason"]


async def test_sigterm_finishes_the_running_request(front: Front, tmp_path: Path) -> None:
    body = json.dumps({"email": an_email(), "password": "not the password"}).encode()
    head = (
        "POST /api/auth/login HTTP/1.1\r\nHost: tributary\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    async with serving(front.site, tmp_path) as other:
        address = httpx.URL(other.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100"), "the request is being handled"
        os.kill(other.pid, signal.SIGTERM)

        async def refuses_others() -> bool:
            try:
                _, another = await asyncio.open_connection(address.host, address.port)
            except ConnectionRefusedError:
                return True
            another.close()
            return False

        await until(refuses_others, what="it takes no new connection")
        writer.write(body)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401")
        writer.close()
        await asyncio.to_thread(other.process.join, 30)
        assert other.process.exitcode is not None


class TestProvider:
    """Logins at an OpenID provider."""

    async def test_only_the_providers_tokens_are_accepted(self, site: Site, front: Front, tmp_path: Path) -> None:
        private = rsa.generate_private_key(65537, 2048)
        jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())), "kid": "p1"}
        published = json.dumps({"keys": [jwk]}).encode()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + published)
            await writer.drain()
            writer.close()

        provider = await asyncio.start_server(answer, "127.0.0.1", 0)
        settings: dict[str, Any] = {
            "external_issuer": "https://id.example",
            "external_jwks_url": f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}/keys",
            "external_audience": "tributary",
            "external_claims": {"roles": "realm_access.roles", "distributor_id": "member_no"},
            "external_roles": {"seller": "ROLE_DISTRIBUTOR"},
        }
        now = int(front.operations._time.now().timestamp())
        claims: dict[str, Any] = {"iss": "https://id.example", "aud": "tributary", "sub": "lin", "iat": now}
        claims |= {"exp": now + 60, "realm_access": {"roles": ["seller"]}, "member_no": "40021"}
        async with provider, serving(site, tmp_path, **settings) as elsewhere, elsewhere.client() as client:
            theirs = jwt.encode(claims, private, "RS256", {"kid": "p1"})
            me = await client.get("/api/me", headers=bearer(theirs))
            assert (me.json()["kind"], me.json()["distributor_id"]) == ("distributor", 40021)
            async with front.client() as here:
                ours = await front.admin(here)
                assert (await here.get("/api/me", headers=bearer(theirs))).status_code == 401
            assert (await client.get("/api/me", headers=bearer(ours))).status_code == 401
            wrong = jwt.encode({**claims, "aud": "another"}, private, "RS256", {"kid": "p1"})
            assert (await client.get("/api/me", headers=bearer(wrong))).status_code == 401
            for path in ("/api/auth/login", "/oauth/token", "/oauth/authorize", "/api/users"):
                assert (await client.post(path, json={})).status_code == 404
