"""`/api/messages/{id}`, from a pending command to one that an operator replays.

The workers run only when a test starts them, so every state lasts until it is read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from contracts.network.view import DISTRIBUTORS
from infra.runtime import roster
from infra.runtime.worker import Worker
from tests.api.front import Front, bearer, serving, unique
from tests.connected.running import Site, until

CODE = "handler_error"
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
async def front(site: Site, tmp_path: Path) -> AsyncIterator[Front]:
    async with serving(site, tmp_path) as front:
        yield front


@asynccontextmanager
async def as_admin(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with front.client() as client:
        client.headers.update(bearer(await front.admin(client)))
        yield client


async def in_state(client: httpx.AsyncClient, url: str, state: str) -> httpx.Response:
    async def reached() -> httpx.Response | None:
        answer = await client.get(url, headers={"Accept-Language": "zh-CN"})
        assert answer.status_code == 200, answer.text
        return answer if answer.json()["state"] == state else None

    answer: httpx.Response = await until(reached, what=f"{url} is {state}")
    return answer


def failing(name: str) -> Worker:
    """A worker whose every rule raises."""

    def decide(state: Any, message: Any) -> Any:
        raise ZeroDivisionError("a fault of the test")

    worker = roster.load(name)
    return replace(worker, handlers=tuple(replace(handler, decide=decide) for handler in worker.handlers))


async def test_a_failing_command_is_retried_dead_lettered_and_done_after_a_replay(site: Site, front: Front) -> None:
    async with as_admin(front) as admin, front.client() as stranger:
        name = unique("tag")
        sent = await admin.post("/api/tags", json={"name": name}, headers=ASYNC)
        assert sent.status_code == 202, sent.text
        url = sent.headers["location"]
        pending = await in_state(admin, url, "pending")
        assert (pending.headers["retry-after"], pending.json()["type"]) == ("1", "tag.define.v1")
        assert (await stranger.get(url)).status_code == 401

        async with site.loops(failing("catalog")):
            retrying = await in_state(admin, url, "retrying")
            assert (retrying.headers["retry-after"], retrying.headers["cache-control"]) == ("1", "no-store")
            state = retrying.json()
            assert (state["reason"], state["outcome"], state["location"]) == (CODE, None, None)
            assert state["title"] == "命令处理出错，多次重试后将转为死信并交由运维处理。"
            dead = await in_state(admin, url, "set_aside")
            assert "retry-after" not in dead.headers
            assert (dead.json()["reason"], dead.json()["location"]) == (CODE, None)
            listed = (await admin.get("/api/tags")).json()["items"]
            assert listed == []

        async with site.loops(roster.load("catalog"), roster.load("alerting")):

            async def letters() -> Any:
                return (await admin.get("/api/dead-letters", params={"queue": "catalog.tag.define"})).json()["items"]

            [letter] = await until(letters, what="the letter is kept")
            replayed = await admin.post(f"/api/dead-letters/{letter['letter_id']}/replay", json={})
            assert replayed.status_code == 200, replayed.text
            done = (await in_state(admin, url, "done")).json()
        assert (done["reason"], (await admin.get(done["location"])).json()["name"]) == (None, name)


async def test_a_command_that_precedes_its_leader_is_retried_until_the_leader_exists(site: Site, front: Front) -> None:

    network = roster.load("network")
    async with as_admin(front) as admin:
        async with site.loops(network):
            made = await admin.post("/api/distributors", json={"sponsor_id": None}, headers={"Prefer": "wait=10"})
            assert made.status_code == 201, made.text
            leader_id = made.json()["distributor_id"]
        sent = await admin.post("/api/teams", json={"name": "Riverside", "leader_id": leader_id}, headers=ASYNC)
        assert sent.status_code == 202, sent.text
        url = sent.headers["location"]
        with MongoClient[dict[str, Any]](site.settings.mongodb_url) as mongo:
            distributors = mongo[site.settings.database][DISTRIBUTORS]
            # For the worker, the registration has not arrived yet.
            [leader] = list(distributors.find({"_id": leader_id}))
            distributors.delete_one({"_id": leader_id})
            async with site.loops(network):
                retrying = (await in_state(admin, url, "retrying")).json()
                distributors.insert_one(leader)
                done = (await in_state(admin, url, "done")).json()
        assert (retrying["reason"], retrying["title"]) == ("leader_unknown", "负责人未注册。")
        assert (done["outcome"], done["reason"]) == ("created", None)
        assert (await admin.get(done["location"])).json()["leader_id"] == leader_id
