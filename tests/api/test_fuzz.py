"""The API is asked whatever its description allows, and what it does not, as everybody who may ask.

Nothing may end with a server error, and nothing may be answered that is not documented. New operations are found by
themselves. The seed is fixed, so that a failure comes again; `FUZZ_SEED` and `FUZZ_CASES` ask for more.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.front import Front, serving
from tests.api.world import World, a_world
from tests.connected.running import Site

HERE = Path(__file__).parent
SEED = os.environ.get("FUZZ_SEED", "7")
CASES = os.environ.get("FUZZ_CASES", "3")
PHASES = os.environ.get("FUZZ_PHASES", "examples,fuzzing")
ROLES = ("admin", "distributor", "shop", "anonymous")
WITHIN_S = 240.0
"""Four at a time, beside other tests on a loaded machine; alone they need a quarter of it."""

SHOWN_MAX = 6_000


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


@pytest.fixture(scope="module")
async def tokens(world: World) -> dict[str, str]:
    """What each role sends; the accounts are nobody else's, for the fuzzing may log them out."""
    async with world.as_admin() as admin, world.as_distributor(world.middle) as seller, world.as_shop() as shop:
        clients = {"admin": admin, "distributor": seller, "shop": shop}
        return {role: client.headers["Authorization"] for role, client in clients.items()}


@pytest.fixture(scope="module")
async def target(site: Site, front: Front, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """An API of its own, without limits that so many requests would meet; it knows the tokens of the other one."""
    plenty = {"requests_per_minute": 1_000_000, "anonymous_requests_per_minute": 1_000_000}
    folder = tmp_path_factory.mktemp("fuzz")
    async with serving(site, folder, public_url=front.url, **plenty) as target:
        yield target


async def test_no_input_breaks_anything(target: Front, tokens: dict[str, str], tmp_path: Path) -> None:
    """All roles at the same time, as they come."""
    ended = await asyncio.gather(*(fuzz(role, target, tokens.get(role), tmp_path) for role in ROLES))
    failed = [f"as {role}:\n{said[-SHOWN_MAX:]}" for role, (code, said) in zip(ROLES, ended, strict=True) if code != 0]
    assert failed == [], "\n\n".join(failed)
    errors = [line for line in target.log.read_text().splitlines() if '"level": "error"' in line]
    assert errors == []


async def fuzz(role: str, target: Front, authorization: str | None, folder: Path) -> tuple[int, str]:
    words = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{target.url}/openapi.json", "--url", target.url, "--no-color", "--checks", "all"),
        *("--phases", PHASES, "--max-examples", CASES, "--seed", SEED, "--no-shrink"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure"),
        *("--exclude-operation-id", "revoke"),
        *(("-H", f"Authorization: {authorization}") if authorization else ()),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks", "PYTHONPATH": str(HERE.parent.parent)}
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
