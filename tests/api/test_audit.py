"""The audit log of a running system: every change by whatever way, and what a writer of the database can do to it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from api.storage.audit_key import hash_of
from contracts.catalog.v1 import DefineCategory
from contracts.network.v1 import RegisterShop
from infra.ports.store import Document
from tests.api.front import Front, bearer, lines_of, unique
from tests.connected.running import command, until


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(bearer(await front.admin(client)))
    return client


async def a_category(admin: httpx.AsyncClient) -> httpx.Response:
    return await admin.post("/api/categories", json={"name": unique("Tea")})


@asynccontextmanager
async def damaged(front: Front) -> AsyncIterator[Database[Document]]:
    """The database, to write to; afterwards the log and its head are as they were before. The API stands still
    meanwhile: a process that runs would notice, and write it into the log.
    """
    with MongoClient[Document](front.site.settings.mongodb_url, tz_aware=True) as mongo:
        database = mongo[front.site.settings.database]
        kept = {name: list(database[name].find()) for name in ("api.audit", "api.audit_head")}
        os.kill(front.pid, signal.SIGSTOP)
        try:
            yield database
        finally:
            for name, documents in kept.items():
                database[name].delete_many({})
                database[name].insert_many(documents)
            os.kill(front.pid, signal.SIGCONT)


async def verified(front: Front, *words: str) -> tuple[int, list[str]]:
    ended = await front.command("audit", "verify", "--json", *words)
    return ended.code, ended.object["breaches"]


async def test_a_change_by_a_message_is_shown_with_its_sender(front: Front) -> None:
    number, shop_id = 7_000_001, unique("shop")
    await front.send(DefineCategory(category_id=number, name="Tea"), RegisterShop(shop_id=shop_id, currency="EUR"))
    targets = (f"category/{number}", f"shop/{shop_id}")

    async def known() -> bool:
        return bool(await front.site.documents("network.shops", {"_id": shop_id})) and bool(
            await front.site.documents("catalog.categories", {"_id": number})
        )

    await until(known, what="the commands are carried out")
    for target in targets:
        [entry] = (await front.command("audit", "list", "--target", target, "--json")).object
        assert entry["who"]["kind"] == "message"
        assert entry["after"]["message"].startswith(entry["who"]["subject"])
        again = await front.command("audit", "list", "--target", target)
        assert (again.code, again.out.count("\n")) == (0, 1)


async def test_a_change_over_http_has_one_entry(front: Front, admin: httpx.AsyncClient) -> None:
    created = (await a_category(admin)).json()
    target = f"category/{created['category_id']}"
    await front.command("audit", "list")
    [entry] = await front.site.documents("api.audit", {"target": target})
    assert entry["who"]["kind"] == "admin"


async def test_the_heads_are_in_the_log_of_the_api(front: Front, admin: httpx.AsyncClient) -> None:
    assert (await a_category(admin)).status_code == 201
    last = (await front.site.documents("api.audit"))[-1]

    async def stated() -> bool:
        heads = [line for line in lines_of(front.log) if line["event"] == "audit_head"]
        return any(head["number"] >= last["_id"] for head in heads)

    await until(stated, what="the head is in the log")
    assert await verified(front, "--heads", str(front.log)) == (0, [])


async def test_a_log_that_was_rewritten_as_a_whole_is_detected(front: Front, admin: httpx.AsyncClient) -> None:
    await a_category(admin)
    async with damaged(front) as database:
        previous, entries = "0" * 64, list(database["api.audit"].find(sort=[("_id", 1)]))
        for entry in entries:
            forged = {**deepcopy(entry), "previous": previous}
            forged["who"] = {**forged["who"], "subject": "somebody else"}
            forged["hash"] = previous = hash_of(forged)
            database["api.audit"].replace_one({"_id": entry["_id"]}, forged)
        database["api.audit_head"].update_one({"_id": "head"}, {"$set": {"hash": previous}})
        code, breaches = await verified(front)
    assert code == 1
    assert any("have no code by this secret" in breach for breach in breaches)
    assert any("the head of the log has no code" in breach for breach in breaches)
    assert (await verified(front))[0] == 0


async def test_an_end_that_was_cut_off_is_detected(front: Front, admin: httpx.AsyncClient) -> None:
    await a_category(admin)
    async with damaged(front) as database:
        last, before = database["api.audit"].find(sort=[("_id", -1)], limit=2)
        database["api.audit"].delete_one({"_id": last["_id"]})
        head = {"number": before["_id"], "hash": before["hash"], "mac": before["mac"]}
        database["api.audit_head"].update_one({"_id": "head"}, {"$set": head})
        code, breaches = await verified(front)
        assert code == 1
        assert any("the head of the log has no code" in breach for breach in breaches)
        database["api.audit_head"].delete_one({"_id": "head"})
        assert "the head of the log is missing: entries may be gone from its end" in (await verified(front))[1]
        database["api.audit"].delete_many({})
        code, breaches = await verified(front)
    assert (code, breaches) == (1, ["the log is empty, although there are users: it was deleted"])


async def test_a_command_without_the_key_does_not_write_into_a_keyed_log(front: Front) -> None:
    environment = {name: value for name, value in front.environment.items() if name != "TRIBUTARY_IDENTITY_SECRET"}
    keyless = Front(front.url, front.log, front.site, environment, front.process, front.operations)
    refused = await keyless.command("identity", "create-admin", f"{unique('a')}@example.com")
    assert refused.code == 1
    assert "set TRIBUTARY_IDENTITY_SECRET" in refused.err
    unkeyed = await keyless.command("audit", "verify")
    assert unkeyed.code == 0
    assert "only the chain was checked" in unkeyed.err


async def test_a_done_write_is_not_a_503_because_the_head_is_missing(front: Front, admin: httpx.AsyncClient) -> None:
    """The last here that checks the log: what was sealed can be checked with the key alone."""
    with MongoClient[Document](front.site.settings.mongodb_url, tz_aware=True) as mongo:
        database = mongo[front.site.settings.database]
        database["api.audit_head"].delete_one({"_id": "head"})
        for _ in range(3):
            answer = await a_category(admin)
            assert answer.status_code == 201, answer.text
        repaired = database["api.audit"].find_one({"action": "audit.head-repaired"})
    assert repaired is not None
    code, breaches = await verified(front)
    assert code == 1
    assert any("the head of the log was removed or changed" in breach for breach in breaches)
    # Nothing is gone, so an operator vouches for it; what a running API has seen cannot be put back.
    assert (await front.command("audit", "seal", "--yes")).code == 0
    assert await verified(front) == (0, [])


@pytest.mark.parametrize(
    ("noun", "more"), [("categories", {}), ("tags", {}), ("teams", {"leader_id": 1}), ("products", {"category_id": 1})]
)
@pytest.mark.parametrize(
    "name", ["a\x1b]0;x\x07", "a\x00b", "a\u202eb", "a\u2066b", "a\u200bb", "a\nb", "  ", "\u3000", "a\x9bb"]
)
async def test_a_name_with_hidden_characters_is_refused(
    admin: httpx.AsyncClient, noun: str, more: dict[str, Any], name: str
) -> None:
    answer = await admin.post(f"/api/{noun}", json={"name": name, **more})
    assert answer.status_code in (400, 422), answer.text
    assert "name" in answer.text


async def test_the_api_does_not_start_without_the_key_of_a_keyed_log(front: Front, admin: httpx.AsyncClient) -> None:
    assert (await a_category(admin)).status_code == 201
    keyless = {name: value for name, value in front.environment.items() if name != "TRIBUTARY_IDENTITY_SECRET"}

    ended = await command("api", "--port", "0", environment=keyless)

    assert ended.code == 3
    assert "The audit log is keyed" in ended.out + ended.err
