"""Every operation with a body refuses invalid Unicode text or JSON before any processing but the login."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from api.app import create_app
from api.http.bodies import UnreadableBody, read_json
from api.http.limits import Limits
from api.http.openapi import operations
from infra.ports.cache import CacheUnavailable, Taken
from infra.settings import Settings
from tests.described import api_document


def _no_ports() -> Any:
    raise AssertionError("an unreadable body needs no server")


APP = create_app(Settings(), _no_ports)
WITH_BODY = [
    (method, path)
    for path, method, operation in operations(api_document())
    if "application/json" in operation.get("requestBody", {}).get("content", {})
    # These read their bodies themselves; tests/api/test_inventory.py and test_payouts.py test them.
    and path not in ("/api/inventory/adjustments", "/api/payout-callbacks/{rail}")
]
LONE_SURROGATES = [rb'{"password": "\ud800"}', rb'{"\ud800": 1}', rb'[["\udfff"]]']
NOT_UTF_8 = [b'{"a": "\xed\xa0\x80"}', b'{"a": "\xff"}']


class _NoCache:
    async def take(self, *_: object, **__: object) -> Taken:
        raise CacheUnavailable("away")


async def _as_anybody(request: Request) -> None:
    """A valid login."""


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    limits: Any = Limits(_NoCache(), Settings())  # type: ignore[arg-type]
    monkeypatch.setattr(APP.state, "ports", SimpleNamespace(limits=limits), raising=False)
    monkeypatch.setitem(APP.state._state, "authenticate", _as_anybody)
    return APP


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_a_body_with_invalid_unicode_is_refused(app: FastAPI, method: str, path: str) -> None:
    headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        for bodies, expected in ((LONE_SURROGATES, (422, "invalid_request")), (NOT_UTF_8, (400, "malformed_request"))):
            for body in bodies:
                answer = await client.request(method.upper(), path.replace("{", "").replace("}", ""), content=body)
                assert (answer.status_code, answer.json()["reason"]) == expected, body


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_is_read_in_every_unicode_encoding(encoding: str) -> None:
    value = {"name": "绿茶 \U0001f375", "price": "59.80", "ids": [2**63 - 1]}
    assert read_json(json.dumps(value, ensure_ascii=False).encode(encoding)) == value
    assert read_json(json.dumps(value).encode(encoding)) == value


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 10_000, b"1" * 5000, *NOT_UTF_8, b"\xff\xfe\x00\xd8"])
def test_invalid_json_raises_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        read_json(body)


@pytest.mark.parametrize("body", [b"NaN", b"[1e5, -Infinity]", b"[" * 300 + b"]" * 300, *LONE_SURROGATES])
def test_values_that_only_the_standard_library_reads_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_json(body)
