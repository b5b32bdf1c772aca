"""Every query that a worker makes for a message uses an index, so that it stays fast with a million documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymongo import MongoClient

from contracts.wire.envelope import Message
from contracts.wire.examples import example_of
from infra.adapters.mongo_reads import projection
from infra.auditing.audit import Report
from infra.ports.store import Document, Find, Query, Transaction, one_by_one
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.runtime.journal import Journal
from infra.runtime.repository import run_queries
from infra.runtime.worker import Worker
from tests.connected.running import Site

READ_WHOLE = {"rule_book.rules": "rules to be activated are compared with all active ones, which is rare"}
"""Collections that their owner and audits read without a condition on purpose, and why that stays cheap."""


@dataclass
class RecordingReader:
    """A transaction, or an audit's view of the store, that records its queries."""

    inner: Any
    queries: list[Find] = field(default_factory=list)

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        self.queries.append(Find(collection, where, sort, limit, fields))
        found: list[Document] = await self.inner.find(collection, where, sort=sort, limit=limit, fields=fields)
        return found

    async def find_parts(self, collection: str, where: Mapping[str, Any], **parts: Any) -> Any:
        self.queries.append(Find(collection, where))
        return await self.inner.find_parts(collection, where, **parts)

    async def find_some(
        self, collection: str, where: Mapping[str, Any], *, sort: Sequence[tuple[str, int]] = (), **some: Any
    ) -> Any:
        self.queries.append(Find(collection, where, sort, some["limit"]))
        return await self.inner.find_some(collection, where, sort=sort, **some)

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        return await one_by_one(self, queries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def database(site: Site) -> Iterator[Any]:
    with MongoClient[Document](site.settings.mongodb_url) as client:
        yield client[site.settings.database]


def examples(worker: Worker) -> list[Message[Any]]:
    """One message of every type that the worker reads, as it arrives."""
    return [example_of(handler.payloads[0]).received(RealTime().now()) for handler in worker.handlers]


async def queries_of(site: Site, worker: Worker, message: Message[Any]) -> list[Find]:
    """The queries of the worker's repository and journal for this message."""
    made: list[Find] = []

    async def work(tx: Transaction) -> None:
        recording = RecordingReader(tx)
        journal = Journal(worker.name, 30)
        repository = worker.repository
        queries = {"journal": journal.mentions({message.key}), **repository.queries([message])}
        await repository.load(recording, [message], await run_queries(recording, queries))
        await journal.emitted_by(recording, {message.key})
        made.extend(recording.queries)

    await site.store.transact(work)
    return made


def stages(database: Any, query: Find) -> set[str]:
    """The names of the stages in the server's plan for the query."""
    command: dict[str, Any] = {"find": query.collection, "filter": dict(query.where), "limit": query.limit}
    if query.sort:
        command["sort"] = dict(query.sort)
    if query.fields:
        command["projection"] = projection(query.fields)
    plan = database.command("explain", command, verbosity="queryPlanner")["queryPlanner"]["winningPlan"]
    return set(_names(plan))


def _names(plan: Any) -> Iterator[str]:
    if isinstance(plan, Mapping):
        if isinstance(name := plan.get("stage"), str):  # else the bounds of an index on a field of that name
            yield name
        for part in plan.values():
            yield from _names(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _names(part)


@pytest.mark.parametrize("worker", roster.load_all(), ids=lambda worker: worker.name)
async def test_every_query_for_a_message_uses_an_index(site: Site, database: Any, worker: Worker) -> None:
    for message in examples(worker):
        queries = await queries_of(site, worker, message)
        assert len(queries) >= 2, f"{message.type} reads nothing: the example has too few fields"
        for query in queries:
            if worker.name == "rule_book" and query.collection in READ_WHOLE:
                continue
            used = stages(database, query)
            assert "COLLSCAN" not in used, f"{message.type} makes MongoDB read all of {query}"
            assert "SORT" not in used, f"{message.type} makes MongoDB sort {query} in memory"


async def test_validity_of_rules_is_read_without_their_terms(site: Site, database: Any) -> None:
    """Every batch of orders makes this query over all rule sets that were ever active."""
    intake = roster.load("order_intake")
    [placing] = [message for message in examples(intake) if message.type == "order.place.v2"]
    [rules_query] = [
        query for query in await queries_of(site, intake, placing) if query.collection == "rule_book.rules"
    ]
    used = stages(database, rules_query)
    assert "IXSCAN" in used
    assert "FETCH" not in used, "the server reads the documents too, with all their terms"


async def test_a_query_without_an_index_is_detected(site: Site, database: Any) -> None:
    unindexed = Find("order_intake.orders", {"currency": "CNY"}, (), 0)
    assert "COLLSCAN" in stages(database, unindexed)


async def test_lookups_of_an_audit_use_an_index(site: Site, database: Any) -> None:
    """An audit streams whole collections on purpose; its lookups for each document must not."""
    for worker in roster.load_all():
        recording = RecordingReader(site.store)
        for audit in worker.audits:
            await audit(recording, Report(RealTime().now()))
        for query in recording.queries:
            if query.collection not in READ_WHOLE:
                assert "COLLSCAN" not in stages(database, query), f"the audit of {worker.name} makes {query}"


async def test_trace_and_repeats_use_an_index(site: Site, database: Any) -> None:
    for worker in roster.load_all():
        journal = Journal(worker.name, 30).collection.name
        for where in (
            {"handled.id": {"$in": ["a", "b"]}},
            {"dead.id": {"$in": ["a"]}},
            {"about": {"$in": ["order/a/b"]}},
        ):
            assert "COLLSCAN" not in stages(database, Find(journal, where, (), 0))
