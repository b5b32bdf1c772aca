"""Every request without a verified principal counts for its network, whatever its headers claim."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.http.limits import PRINCIPAL, Limits, RateLimited, needs_login
from api.http.openapi import operations
from api.http.problems import REASONS, Problem, problem_response
from api.http.requests import BodyLimited, EachRequest
from infra.ports.cache import Taken
from infra.settings import Settings
from tests.described import api_document

QUOTA = 5
BEARER = {"Authorization": "Bearer x"}
BODY_BYTES_MAX = 100


class CountingCache:
    """Grants each key its quota once."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    async def take(self, key: str, *, quota: int, window_s: float) -> Taken:
        self.taken[key] += 1
        left = quota - self.taken[key]
        return Taken(left >= 0, max(left, 0), 1.0, 1.0)


async def _guarded(request: Request) -> Response:
    """A route that verifies the token, as `api.access.guard` does, after it has read the body."""
    if (await request.body()).startswith(b"{{"):
        raise HTTPException(400)
    if request.headers["authorization"] != "Bearer valid":
        await request.app.state.ports.limits.count_address(request)
        raise HTTPException(401)
    request.scope[PRINCIPAL] = "somebody"
    return PlainTextResponse("private")


async def _open(request: Request) -> Response:
    return PlainTextResponse("answer", headers={"Cache-Control": "no-cache"} if "kept" in request.url.path else None)


async def _problem(request: Request, problem: Any) -> Response:
    return problem_response(request, problem)


class Service:
    def __init__(self) -> None:
        everything = ["GET", "POST", "PUT"]
        routes = [Route("/api/orders", _guarded, methods=everything), Route("/{path:path}", _open, methods=everything)]
        self.app = Starlette(routes=routes)
        self.cache = CountingCache()
        limits = Limits(self.cache, Settings(anonymous_requests_per_minute=QUOTA))  # type: ignore[arg-type]
        self.app.state.ports = SimpleNamespace(limits=limits)
        self.app.state.reasons = REASONS
        self.app.add_exception_handler(Problem, _problem)
        self.app.add_middleware(BodyLimited, body_bytes_max=BODY_BYTES_MAX)
        self.app.add_middleware(RateLimited)
        self.app.add_middleware(EachRequest, https=False)

    async def ask(self, method: str, path: str, address: str = "192.0.2.1", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://a.example") as client:
            return await client.request(method, path, **options)

    async def codes(self, number: int, method: str, path: str, **options: Any) -> list[int]:
        return [(await self.ask(method, path, **options)).status_code for _ in range(number)]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/refresh", "/oauth/token", "/oauth/authorize", "/"])
@pytest.mark.parametrize("token", [None, "Bearer x", "bearer  ", "Bearer valid"])
async def test_an_address_without_login_counts_whatever_the_header_says(
    service: Service, path: str, token: str | None
) -> None:
    headers = {"Authorization": token} if token else {}
    assert await service.codes(QUOTA + 2, "POST", path, headers=headers) == [200] * QUOTA + [429] * 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, 401),
        ({"content": b"{{"}, 400),
        ({"content": b"x" * (BODY_BYTES_MAX + 1)}, 413),
        ({"headers": {"Authorization": "BEARER x"}}, 401),
    ],
    ids=str,
)
async def test_a_request_that_ends_without_a_principal_counts_for_its_address(
    service: Service, options: dict[str, Any], code: int
) -> None:
    options = {"headers": BEARER, **options}
    assert await service.codes(QUOTA + 2, "POST", "/api/orders", **options) == [code] * QUOTA + [429] * 2


async def test_an_address_that_leads_nowhere_counts(service: Service) -> None:
    assert await service.codes(QUOTA + 1, "GET", "/api/nowhere", headers=BEARER) == [200] * QUOTA + [429]
    assert await service.codes(2, "DELETE", "/api/orders", headers=BEARER) == [429] * 2


async def test_the_replaced_answer_shows_nothing(service: Service) -> None:
    await service.codes(QUOTA, "GET", "/api/nowhere", headers=BEARER)
    refused = await service.ask("GET", "/api/nowhere", headers=BEARER)
    assert refused.json()["reason"] == "too_many_requests"
    assert "answer" not in refused.text
    assert refused.headers["ratelimit"].startswith('"address";r=0')
    assert int(refused.headers["retry-after"]) > 0


async def test_a_principal_does_not_count_for_the_address(service: Service) -> None:
    headers = {"Authorization": "Bearer valid"}
    assert await service.codes(QUOTA * 3, "GET", "/api/orders", headers=headers) == [200] * QUOTA * 3
    assert service.cache.taken == {}


async def test_a_refused_token_counts_once(service: Service) -> None:
    await service.ask("GET", "/api/orders", headers=BEARER)
    assert list(service.cache.taken.values()) == [1]


async def test_one_ipv6_network_is_one_client(service: Service) -> None:
    codes = [
        (await service.ask("GET", "/api/problems", address=f"2001:db8:1:2:{number:x}::{number}")).status_code
        for number in range(QUOTA + 1)
    ]
    assert codes == [200] * QUOTA + [429]
    assert (await service.ask("GET", "/api/problems", address="2001:db8:1:3::1")).status_code == 200
    assert (await service.ask("GET", "/api/problems", address="::ffff:192.0.2.9")).status_code == 200


@pytest.mark.parametrize("path", ["/livezz", "/docsx", "/readyz/x", "/metricsx", "/docs?/../api/auth/login"])
async def test_only_the_health_addresses_themselves_are_unlimited(service: Service, path: str) -> None:
    unlimited = path.startswith("/docs?")
    assert (429 in await service.codes(QUOTA + 1, "GET", path)) is not unlimited
    assert 429 not in await service.codes(QUOTA + 1, "GET", "/livez")


def test_every_operation_that_is_counted_later_needs_a_login() -> None:
    """Otherwise its work would be done before it is counted."""
    for path, method, operation in operations(api_document()):
        if needs_login(path):
            assert operation.get("security"), f"{method} {path} needs no login: add it to _NEEDS_NO_LOGIN"


class TestPrivateAnswers:
    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            ("/api/orders", {"Authorization": "Bearer valid"}),
            ("/api/nowhere", {}),
            ("/elsewhere", BEARER),
            ("/elsewhere", {"Authorization": "Basic x"}),
            ("/elsewhere", {"Cookie": "tributary-login=x"}),
        ],
    )
    async def test_they_are_not_stored(self, service: Service, path: str, headers: dict[str, str]) -> None:
        assert (await service.ask("GET", path, headers=headers)).headers["cache-control"] == "no-store"

    async def test_an_answer_that_says_how_it_may_be_kept_stays_as_it_is(self, service: Service) -> None:
        kept = await service.ask("GET", "/api/kept", headers=BEARER)
        assert kept.headers.get_list("cache-control") == ["no-cache"]
        assert "cache-control" not in (await service.ask("GET", "/openapi.json")).headers


async def test_no_redirect_is_built_from_the_host() -> None:
    app = create_app(Settings(anonymous_requests_per_minute=1000), lambda: None)  # type: ignore[arg-type,return-value]
    limits = Limits(CountingCache(), Settings())  # type: ignore[arg-type]
    app.state.ports = SimpleNamespace(limits=limits)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        for path in ("/api/users/", "/api/orders/", "/docs/", "/oauth/authorize/", "//api/users", "/api/me/"):
            answer = await client.get(path, headers=BEARER)
            assert "location" not in answer.headers, path
            assert answer.status_code in (404, 405), path
