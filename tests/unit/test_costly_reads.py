"""The API builds large views beside the event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.http.limits import Limits
from api.identity.principal import Principal
from api.orders import routes
from api.orders.view import order_view
from contracts.orders.view import ORDERS, Order
from infra.ports.cache import CacheUnavailable, Taken
from infra.ports.store import Collection
from infra.runtime.repository import Codec
from infra.settings import Settings
from tests.builders import an_order
from tests.unit.refunds import a_line
from tests.workflow.in_memory import InMemoryStore

pytestmark = pytest.mark.slow

SMALL = an_order(lines=(a_line(1, 501, 1, 100),))
LARGE = an_order(lines=tuple(a_line(number, 501, 1, 100) for number in range(1, 501)))


class _NoCache:
    async def take(self, *_: object, **__: object) -> Taken:
        raise CacheUnavailable("away")


class _Identity:
    """Each token is the name of its principal."""

    async def verify(self, token: str) -> Principal:
        return Principal("admin", token, frozenset({"orders:read"}))

    async def current(self, verified: Principal, *, writes: bool) -> Principal:
        return verified


class Api:
    def __init__(self, *orders: Order) -> None:
        self.store = InMemoryStore([Collection(ORDERS, "orders")])
        for order in orders:
            self.store.table(ORDERS).put(Codec(Order, key="key").to_document(order))
        identity = SimpleNamespace(verifier=_Identity(), standings=_Identity())
        limits = Limits(_NoCache(), Settings())  # type: ignore[arg-type]
        self.app = create_app(Settings(), _no_ports)
        self.app.state.ports = SimpleNamespace(store=self.store, limits=limits, identity=identity)

    async def get(self, path: str, who: str = "ann") -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://a.example") as client:
            return await client.get(path, headers={"authorization": f"Bearer {who}"})


@asynccontextmanager
async def _no_ports() -> AsyncIterator[Any]:
    raise AssertionError("nothing here needs a server")
    yield


@pytest.mark.parametrize(("order", "thread"), [(SMALL, "MainThread"), (LARGE, "large-views")])
async def test_large_orders_are_built_in_a_thread(order: Order, thread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built_in: list[str] = []

    def noting(order: Order, principal: Principal) -> Any:
        built_in.append(threading.current_thread().name)
        return order_view(order, principal)

    monkeypatch.setattr(routes, "order_view", noting)
    api = Api(order)

    listed = await api.get("/api/orders")

    assert listed.status_code == 200
    [item] = listed.json()["items"]
    assert listed.json()["next"] is None
    assert listed.headers["content-type"] == "application/json"
    assert len(item["lines"]) == len(order.lines)
    assert [name.rpartition("_")[0] or name for name in built_in] == [thread]
