"""The API is asked whatever its description allows, and what it does not, as everybody who may ask.

Nothing may end with a server error, and nothing may be answered that is not documented. New operations are found by
themselves. Every run sends all the examples, then some requests at random, and some that follow from the answers; as an
administrator also each part of each request as the description allows it and as it does not, which others are mostly
refused unread. The seed is fixed, so that a failure comes again. For more: `FUZZ_CASES=100 FUZZ_SEED=1 python -m pytest
tests/api/test_fuzz.py`; FUZZ_PHASES=examples,coverage,fuzzing,stateful has everybody go through all of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.front import Front, an_email, serving
from tests.api.test_operations import a_letter
from tests.api.world import World, a_world
from tests.connected.running import Site

HERE = Path(__file__).parent
SEED = os.environ.get("FUZZ_SEED", "7")
CASES = int(os.environ.get("FUZZ_CASES", "1"))
"""Random requests for each operation and role."""
ASKED_PHASES = os.environ.get("FUZZ_PHASES")
PHASES = {
    "admin": "examples,coverage,fuzzing,stateful",
    "distributor": "examples,fuzzing,stateful",
    "shop": "examples,fuzzing,stateful",
    "anonymous": "examples,fuzzing",
}
WITHIN_S = 600.0 + 60.0 * CASES
"""Only what hangs is stopped: four at a time, on two cores that have nothing else to do, take two minutes."""

SHOWN_MAX = 6_000


@pytest.fixture(scope="module")
async def target(site: Site, front: Front, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """An API of its own, without limits that so many requests would meet; its workers are those of the other one."""
    plenty = {"requests_per_minute": 1_000_000, "anonymous_requests_per_minute": 1_000_000}
    async with serving(site, tmp_path_factory.mktemp("fuzz"), access_token_life_s=3600, **plenty) as target:
        yield target


@pytest.fixture(scope="module")
async def world(target: Front) -> World:
    return await a_world(target)


@pytest.fixture(scope="module")
async def tokens(world: World) -> dict[str, str]:
    """What each role sends; the accounts are nobody else's, for the fuzzing may log them out."""
    async with world.as_admin() as admin, world.as_distributor(world.middle) as seller, world.as_shop() as shop:
        clients = {"admin": admin, "distributor": seller, "shop": shop}
        return {role: client.headers["Authorization"] for role, client in clients.items()}


@pytest.fixture(scope="module")
async def there(world: World) -> dict[str, Any]:
    """What the examples name instead of what they would name: by the name of its id, something that exists."""
    async with world.as_admin() as admin, world.as_shop() as shop:
        return await what_is_there(world, admin, shop)


async def what_is_there(world: World, admin: httpx.AsyncClient, shop: httpx.AsyncClient) -> dict[str, Any]:
    async def made(path: str, **body: Any) -> dict[str, Any]:
        answer = await admin.post(path, json=body)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    return {
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


async def test_no_input_breaks_anything(
    target: Front, tokens: dict[str, str], there: dict[str, Any], tmp_path: Path
) -> None:
    """All roles at the same time, as they come."""
    ended = await asyncio.gather(*(fuzz(role, target, tokens.get(role), there, tmp_path) for role in PHASES))
    failed = [f"as {role}:\n{said[-SHOWN_MAX:]}" for role, (code, said) in zip(PHASES, ended, strict=True) if code != 0]
    assert failed == [], "\n\n".join(failed)
    async with target.client() as client:
        for role, authorization in tokens.items():
            answer = await client.get("/api/me", headers={"Authorization": authorization})
            assert answer.status_code == 200, f"the requests as {role} were refused from some time on"
    errors = [line for line in target.log.read_text().splitlines() if '"level": "error"' in line]
    assert errors == []


async def fuzz(
    role: str, target: Front, authorization: str | None, there: dict[str, Any], folder: Path
) -> tuple[int, str]:
    words = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{target.url}/openapi.json", "--url", target.url, "--no-color"),
        *("--phases", ASKED_PHASES or PHASES[role], "--max-examples", str(CASES), "--seed", SEED, "--no-shrink"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure"),
        *(("-H", f"Authorization: {authorization}") if authorization else ()),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks", "FUZZ_THERE": json.dumps(there)}
    environment = {**os.environ, **hooks, "PYTHONPATH": str(HERE.parent.parent)}
    report = folder / f"{role}.txt"
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
