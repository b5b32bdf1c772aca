"""Sends the API requests that are valid and invalid by its description, in every role.

No request may end with a server error or an undocumented answer. New operations are included automatically. Every run
sends all examples; the administrator also sends random requests, requests that follow from the answers, and valid and
invalid values of each part of each request, which other roles are mostly not permitted to send. The seed is fixed, so
that a failure is repeatable. For more: `FUZZ_CASES=100 FUZZ_SEED=1 python -m pytest tests/api/test_fuzz.py`;
FUZZ_PHASES=examples,coverage,fuzzing,stateful runs all phases in every role; FUZZ_PATHS=^/api/orders sends
only the operations whose path matches.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.front import Front, an_email, serving, unique
from tests.api.test_operations import a_letter
from tests.api.world import World, a_batch, a_corridor, a_world, approved_rates
from tests.connected.running import Site
from tests.sampling import sampled

HERE = Path(__file__).parent
SEED = os.environ.get("FUZZ_SEED", "7")
CASES = int(os.environ.get("FUZZ_CASES", "1"))
"""Random requests for each operation and role."""
CHOSEN_PHASES = os.environ.get("FUZZ_PHASES")
CHOSEN_PATHS = os.environ.get("FUZZ_PATHS")
FOLLOWING = sampled("examples", whole="examples,fuzzing,stateful")
"""Of shops and distributors, only `make test-full` sends random requests, and requests that follow from the answers."""

VALUES_OF_EVERY = sampled(10, whole=1)
"""`make test` sends the valid and invalid values of each part to every tenth path only."""

RUNS = (
    ("admin", "examples,fuzzing,stateful"),
    ("admin", "coverage"),
    ("distributor", FOLLOWING),
    ("shop", FOLLOWING),
    ("anonymous", "examples,fuzzing"),
)
"""Roles and phases."""
WITHIN_S = 600.0 + 60.0 * CASES
"""Stops a run that hangs: four at a time take two minutes on two idle cores."""

SHOWN_MAX = 6_000


@pytest.fixture(scope="module")
async def target(site: Site, front: Front, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """An API of its own, without rate limits; it shares the workers of `front`."""
    plenty = {"requests_per_minute": 1_000_000, "anonymous_requests_per_minute": 1_000_000}
    async with serving(site, tmp_path_factory.mktemp("fuzz"), access_token_life_s=3600, **plenty) as target:
        yield target


@pytest.fixture(scope="module")
async def world(target: Front) -> World:
    return await a_world(target)


@pytest.fixture(scope="module")
async def tokens(world: World) -> dict[str, str]:
    """The Authorization header of each role, with accounts of their own, because the fuzzing may log them out."""
    async with world.as_admin() as admin, world.as_distributor(world.middle) as seller, world.as_shop() as shop:
        clients = {"admin": admin, "distributor": seller, "shop": shop}
        return {role: client.headers["Authorization"] for role, client in clients.items()}


@pytest.fixture(scope="module")
async def senders(target: Front, tokens: dict[str, str]) -> list[str]:
    """The ids of the users of these tokens."""
    async with target.client() as client:
        return [
            (await client.get("/api/me", headers={"Authorization": authorization})).json()["subject"]
            for authorization in tokens.values()
        ]


@pytest.fixture(scope="module")
async def ids(world: World) -> dict[str, Any]:
    """Existing ids for the examples, by the name of their parameter."""
    async with world.as_admin() as admin, world.as_shop() as shop:
        return await existing_ids(world, admin, shop)


async def existing_ids(world: World, admin: httpx.AsyncClient, shop: httpx.AsyncClient) -> dict[str, Any]:
    async def made(path: str, **body: Any) -> dict[str, Any]:
        answer = await admin.post(path, json=body)
        assert answer.status_code == 201, answer.text
        entity: dict[str, Any] = answer.json()
        return entity

    batch = await a_batch(world, admin, world.seller)
    market, period, _, currency = batch["lines"][0]["payout_id"].split("/")
    proposed = await made("/api/settlement-terms", terms={"market": world.market})
    rates = await approved_rates(world.front, unique("rates"), datetime(2026, 11, 1, tzinfo=UTC), CNY="7.8000")
    route_id = unique("route")
    route = {"channel": {"kind": "email", "to": ["warehouse@example.com"]}}
    defined = await admin.put(f"/api/notification-routes/{route_id}", json=route)
    assert defined.status_code == 200, defined.text
    silence = {
        "silence_id": unique("silence"),
        "kinds": ["stock_low"],
        "until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "reason": "Stocktaking.",
    }
    webhook = {"url": "https://127.0.0.1/orders", "types": ["order.paid.v1"], "shop_id": world.shop_id}
    return {
        "market": market,
        "period": period,
        "currency": currency,
        "batch_id": batch["batch_id"],
        "rail": "paypal",
        "terms_version": proposed["terms_version"],
        "table_id": rates.table_id,
        "corridor_id": (await a_corridor(world.front, unique("corridor"))).corridor_id,
        "route_id": route_id,
        "silence_id": (await made("/api/silences", **silence))["silence_id"],
        "webhook_id": (await made("/api/webhooks", **webhook))["webhook_id"],
        "shop_id": world.shop_id,
        "order_id": (await world.paid(shop))["order_id"],
        "product_id": world.product_id,
        "category_id": (await made("/api/categories", name="Tea"))["category_id"],
        "tag_id": (await made("/api/tags", name="organic"))["tag_id"],
        "distributor_id": world.seller,
        "sponsor_id": world.middle,
        "leader_id": world.middle,
        "team_id": (await made("/api/teams", name="North", leader_id=world.middle))["team_id"],
        "user_id": (await made("/api/users", email=an_email(), roles=["ROLE_ADMIN"]))["id"],
        "version": world.rule_version,
        "letter_id": (await a_letter(world.front, admin))["letter_id"],
    }


async def test_no_input_causes_a_server_error(
    target: Front,
    tokens: dict[str, str],
    senders: list[str],
    ids: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All roles run at the same time."""
    monkeypatch.setenv("FUZZ_SENDERS", json.dumps(senders))
    async with target.client() as client:
        paths = sorted((await client.get("/openapi.json")).json()["paths"])[::VALUES_OF_EVERY]
    some = f"^({'|'.join(map(re.escape, paths))})$"
    ended = await asyncio.gather(
        *(fuzz(*run, some if run[1] == "coverage" else "", target, tokens.get(run[0]), ids, tmp_path) for run in RUNS)
    )
    failed = [
        f"{phases} as {role}:\n{output[-SHOWN_MAX:]}"
        for (role, phases), (code, output) in zip(RUNS, ended, strict=True)
        if code != 0
    ]
    assert failed == [], "\n\n".join(failed)
    async with target.client() as client:
        for role, authorization in tokens.items():
            answer = await client.get("/api/me", headers={"Authorization": authorization})
            assert answer.status_code == 200, f"{role} was logged out during the run"
    errors = [line for line in target.log.read_text().splitlines() if '"level": "error"' in line]
    assert errors == []


async def fuzz(
    role: str, phases: str, paths: str, target: Front, authorization: str | None, ids: dict[str, Any], folder: Path
) -> tuple[int, str]:
    """The exit code and the report."""
    words = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{target.url}/openapi.json", "--url", target.url, "--no-color"),
        *("--phases", CHOSEN_PHASES or phases, "--max-examples", str(CASES), "--seed", SEED, "--no-shrink"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure"),
        # They would fill the part of the report that is shown, instead of the failures.
        *("--warnings", "off"),
        *(("--include-path-regex", chosen) if (chosen := CHOSEN_PATHS or paths) else ()),
        *(("-H", f"Authorization: {authorization}") if authorization else ()),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks", "FUZZ_IDS": json.dumps(ids)}
    environment = {**os.environ, **hooks, "PYTHONPATH": str(HERE.parent.parent)}
    report = folder / f"{role}-{phases}.txt"
    with report.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *words, env=environment, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
        )
        try:
            await asyncio.wait_for(process.wait(), WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, report.read_text()
