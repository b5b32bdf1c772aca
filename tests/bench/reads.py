"""Latency of the API's reads at a steady rate, while the whole stack runs on the same machine.

Open loop, as in `tests.bench.latency`: requests are due at random times fixed beforehand, and each latency counts from
the due time, so that a slow answer affects its own figure only.
"""

from __future__ import annotations

import asyncio
import gc
import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from infra.local import ports, process
from infra.processes import api_entry
from infra.settings import Settings
from tests.bench.http_client import HttpClient
from tests.bench.ours import BenchFailure, Ours
from tests.bench.spread import spread_of
from tests.bench.world import World, one_line_world

ORDERS = 2_000
REQUESTS_PER_S = 200
COMPOSED_PER_S = 10
"""For answers that are composed each time, from journals or from rules; clients request them less often."""

SERVER_PROCESSES = 2
TOGETHER = "all cached and indexed ones"
TIMELINE, REASONS = "an order with its timeline", "a seller's commissions with reasons"

_UNLIMITED = 10_000_000
_WARM_UP = 20
_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class ReadLatency:
    """One kind of request, or all cached and indexed ones mixed. Times in milliseconds."""

    what: str
    rate: int
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A logged-in user with the paths that they may read, by kind: each call returns the next path."""

    token: str
    paths: Mapping[str, Callable[[], str]]


async def reads(ours: Ours, seconds: float) -> list[ReadLatency]:
    """Each kind of read for `seconds`, and the cached and indexed ones mixed for three times as long.

    Raises BenchFailure for an answer that is not 200.
    """
    world = one_line_world(ORDERS)
    async with ours.staged(world) as store:
        await ours.take(store, world.singly(), ours.check)
        async with serving(ours) as (client, settings):
            readers = await _readers(client, settings, world)
            return await _measure(client, readers, seconds)


async def _measure(client: HttpClient, readers: Sequence[Reader], seconds: float) -> list[ReadLatency]:
    rng = Random(29)
    kinds = list(readers[0].paths)
    mixed = [kind for kind in kinds if kind not in (TIMELINE, REASONS)]
    found = []
    gc.collect()
    # The garbage collector skips the benchmark's own objects during the measurement.
    gc.freeze()
    try:
        for kind in kinds:
            # Concurrently, so that every server process gets some.
            await asyncio.gather(*(_get(client, reader, kind) for reader in [*readers] * _WARM_UP))
        for kind in kinds:
            rate = REQUESTS_PER_S if kind in mixed else COMPOSED_PER_S
            found.append(await _at_rate(client, readers, (kind,), rate, seconds, rng))
        found.append(await _at_rate(client, readers, mixed, REQUESTS_PER_S, 3 * seconds, rng))
    finally:
        gc.unfreeze()
    return found


async def _at_rate(
    client: HttpClient, readers: Sequence[Reader], kinds: Sequence[str], rate: int, seconds: float, rng: Random
) -> ReadLatency:
    took_ms: list[float] = []

    async def read(reader: Reader, kind: str, due: float) -> None:
        await _get(client, reader, kind)
        took_ms.append((time.perf_counter() - due) * 1000)

    due = time.perf_counter()
    async with asyncio.TaskGroup() as reading:
        for _ in range(round(rate * seconds)):
            due += rng.expovariate(rate)
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            reading.create_task(read(rng.choice(readers), rng.choice(kinds), due))
    return ReadLatency(kinds[0] if len(kinds) == 1 else TOGETHER, rate, len(took_ms), *spread_of(took_ms))


async def _get(client: HttpClient, reader: Reader, kind: str) -> None:
    path = reader.paths[kind]()
    answer = await client.get(path, reader.token)
    if answer.status != 200:
        raise BenchFailure(f"GET {path} is answered {answer.status}: {answer.body.decode(errors='replace')[:300]}")


async def _readers(client: HttpClient, settings: Settings, world: World) -> list[Reader]:
    """An administrator, who reads everything, and the distributor with the most sales, who reads their own data."""
    orders = [event["data"] for event in world.events]
    [(own_id, _)] = Counter(order["distributor_id"] for order in orders).most_common(1)
    [(hot_id, _)] = Counter(order["lines"][0]["product_id"] for order in orders).most_common(1)
    admin, distributor = ("admin@example.com", secrets.token_urlsafe(15)), ("seller@example.com", secrets.token_hex(15))
    async with api_entry.operations(settings) as operations:
        await operations.create_admin(*admin)
        await operations.create_distributor_login(distributor[0], own_id, distributor[1])
    rng = Random(31)

    def paths(visible: Sequence[Mapping[str, str]], sellers: Sequence[int]) -> dict[str, Callable[[], str]]:
        def order() -> str:
            one = rng.choice(visible)
            return f"/api/orders/{one['shop_id']}/{one['order_id']}"

        def commissions() -> str:
            return f"/api/commission/{rng.choice(sellers)}"

        return {
            "an order": lambda: order() + "?timeline=false",
            "a seller's newest orders": lambda: f"/api/orders?distributor_id={rng.choice(sellers)}&limit=20",
            "a seller's commissions": lambda: commissions() + "?explain=false",
            "stock of a product": lambda: f"/api/inventory/{hot_id}",
            "hot products with stock, cached": lambda: "/api/inventory/hot",
            "a seller's month, cached": lambda: f"/api/distributors/{rng.choice(sellers)}/performance",
            TIMELINE: order,
            REASONS: commissions,
        }

    sellers = sorted({order["distributor_id"] for order in orders})
    own = [order for order in orders if order["distributor_id"] == own_id]
    return [
        Reader(await logged_in(client, *admin), paths(orders, sellers)),
        Reader(await logged_in(client, *distributor), paths(own, [own_id])),
    ]


async def logged_in(client: HttpClient, email: str, password: str) -> str:
    """The access token of a user who has set a password."""
    answer = await client.post("/api/auth/login", {"email": email, "password": password})
    if answer.status != 200:
        raise BenchFailure(f"{email} cannot log in: {answer.status} {answer.body.decode(errors='replace')[:300]}")
    return str(answer.object["access_token"])


@asynccontextmanager
async def serving(ours: Ours) -> AsyncIterator[tuple[HttpClient, Settings]]:
    """`tributary api` on the benchmark's servers and database, without rate limits, until the end."""
    port = ports.choose(["api"], {})["api"]
    url = f"http://{ports.LOOPBACK}:{port}"
    limits = {"requests_per_minute": _UNLIMITED, "anonymous_requests_per_minute": _UNLIMITED}
    settings = ours.settings.model_copy(update={"public_url": url, **limits})
    variables = {f"TRIBUTARY_{name.upper()}": json.dumps(quota) for name, quota in limits.items()}
    environment = {**ours.environment, **variables, "TRIBUTARY_PUBLIC_URL": url}
    ours.logs.mkdir(parents=True, exist_ok=True)
    words = ("-m", "infra.cli.app", "api", "--port", str(port), "--workers", str(SERVER_PROCESSES))
    log = ours.logs / "api.log"
    mark = process.start([sys.executable, *words], env=environment, folder=ours.logs, log=log)
    try:
        async with HttpClient(ports.LOOPBACK, port) as client:
            deadline = time.monotonic() + _READY_WITHIN_S
            while not await _is_ready(client):
                if time.monotonic() > deadline or not process.is_running(mark):
                    raise BenchFailure(f"the API is not ready: {log.read_text(errors='replace')[-2000:]}")
                await asyncio.sleep(0.1)
            yield client, settings
    finally:
        await asyncio.to_thread(process.stop, mark, within_s=_STOP_WITHIN_S)


async def _is_ready(client: HttpClient) -> bool:
    try:
        return (await client.get("/readyz")).status == 200
    except (OSError, EOFError):
        return False
