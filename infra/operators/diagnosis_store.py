"""Checks MongoDB without changing anything: the server, the replica set, and the declared collections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from contracts.operations.view import ALERTS
from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_errors import StoreRefused
from infra.operators import dead_letters
from infra.operators.findings import Finding, ok, problem, warning
from infra.ports.store import Collection, Document, Index, StoreUnavailable
from infra.ports.time import Time

PART = "MongoDB"
STATE = "state"
_MAJORITY_WITHIN_MS = 3000
_LAG_LONG = timedelta(seconds=10)
_SKEW_SMALL_S, _SKEW_LARGE_S = 1.0, 30.0


async def look_at_store(store: MongoStore, collections: Sequence[Collection], time: Time) -> list[Finding]:
    """All findings about the store; the first is whether it can be reached. Never raises for its state."""
    findings: list[Finding] = []
    try:
        version = (await store.run("buildInfo"))["version"]
        findings.append(ok(PART, "reachable", f"Version {version} answers."))
        findings += [await _clock(store, time), *await _replica_set(store), await _majority(store)]
        findings += await _declared(store, collections)
        findings += [await _alerts(store), await _letters(store, time)]
    except StoreUnavailable as error:
        check = "answers" if findings else "reachable"
        findings.append(problem(PART, check, f"It does not answer ({error}); start it, or correct MONGODB_URL."))
    except StoreRefused as error:
        findings.append(problem(PART, "answers", f"It refuses a command that the workers need: {error}."))
    return findings


async def _clock(store: MongoStore, time: Time) -> Finding:
    """The server's time is compared with ours halfway through the request."""
    before = time.now()
    there: datetime = (await store.run("hello"))["localTime"]
    skew_s = (there - before - (time.now() - before) / 2).total_seconds()
    state = f"Its clock is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) <= _SKEW_SMALL_S:
        return ok(PART, "clock", f"{state}.")
    level = problem if abs(skew_s) > _SKEW_LARGE_S else warning
    return level(PART, "clock", f"{state}; synchronise both by NTP, or deadlines fire at the wrong time.")


async def _replica_set(store: MongoStore) -> list[Finding]:
    try:
        status = await store.run("replSetGetStatus")
    except StoreRefused as error:
        if "setName" not in await store.run("hello"):
            return [
                problem(
                    PART, "replica set", "It is not a replica set, and transactions need one; start it with --replSet."
                )
            ]
        return [warning(PART, "replica set", f"Its status cannot be read: {error}. Grant the role clusterMonitor.")]
    return replica_set_findings(status)


def replica_set_findings(status: Document) -> list[Finding]:
    """The findings from the answer to `replSetGetStatus`."""
    members = status["members"]
    primary = next((member for member in members if member["stateStr"] == "PRIMARY"), None)
    if primary is None:
        return [problem(PART, "replica set", "It has no primary, so nothing can be written; start more members.")]
    findings = []
    for member in members:
        lag = primary["optimeDate"] - member.get("optimeDate", primary["optimeDate"])
        if member["health"] != 1 or member["stateStr"] not in ("PRIMARY", "SECONDARY", "ARBITER"):
            findings.append(
                warning(PART, "replica set", f"The member {member['name']} is {member['stateStr']}; look at its log.")
            )
        elif member["stateStr"] == "SECONDARY" and lag > _LAG_LONG:
            behind = f"The member {member['name']} is {lag.total_seconds():.0f} s behind the primary"
            findings.append(warning(PART, "replica set", f"{behind}; look at its disk and network."))
    described = f"{len(members)} members, primary {primary['name']}" if len(members) > 1 else "One member, the primary"
    return findings or [ok(PART, "replica set", f"{described}; nothing lags.")]


async def _majority(store: MongoStore) -> Finding:
    try:
        await store.confirm_majority(ALERTS, within_ms=_MAJORITY_WITHIN_MS)
    except (StoreRefused, StoreUnavailable) as error:
        return problem(
            PART, "majority", f"No majority confirms writes ({error}); start more members of the replica set."
        )
    return ok(PART, "majority", "A majority confirms writes.")


async def _declared(store: MongoStore, collections: Iterable[Collection]) -> list[Finding]:
    existing = set(await store.names())
    findings = []
    indexes = 0
    for collection in collections:
        indexes += len(collection.indexes)
        if collection.name not in existing:
            findings.append(
                problem(PART, "collections", f"There is no collection {collection.name}; `tributary topology --apply`.")
            )
        else:
            found = await store.indexes(collection.name)
            findings += index_findings(collection, found)
    return findings or [ok(PART, "collections", f"All are there, with the {indexes} indexes as declared.")]


def index_findings(collection: Collection, found: dict[str, Document]) -> list[Finding]:
    """Declared indexes that are missing or differ; additional indexes are ignored."""
    by_keys = {tuple((name, int(way)) for name, way in index["key"]): (name, index) for name, index in found.items()}
    findings = []
    for index in collection.indexes:
        keys = ", ".join(name for name, _ in index.keys)
        known = by_keys.get(index.keys)
        if known is None:
            fault = f"{collection.name} has no index on {keys} ({index.reason})"
            findings.append(problem(PART, "indexes", f"{fault}; `tributary topology --apply`."))
        elif difference := _difference(index, known[1]):
            fault = f"The index {known[0]} of {collection.name} differs: {difference}"
            findings.append(problem(PART, "indexes", f"{fault}; drop it, then `tributary topology --apply`."))
    return findings


def _difference(index: Index, known: Document) -> str:
    declared: dict[str, Any] = {
        "unique": index.unique,
        "sparse": index.sparse,
        "expireAfterSeconds": index.expire_after_s,
    }
    current = {"unique": False, "sparse": False, "expireAfterSeconds": None, **known}
    return ", ".join(
        f"{name} is {current[name]}, and {value} is declared"
        for name, value in declared.items()
        if current[name] != value
    )


async def _alerts(store: MongoStore) -> Finding:
    kinds: dict[str, int] = {}
    async for alert in store.stream(ALERTS, {"state": "open"}, fields=("kind",)):
        kinds[alert["kind"]] = kinds.get(alert["kind"], 0) + 1
    if not kinds:
        return ok(STATE, "alerts", "No alert is open.")
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return warning(STATE, "alerts", f"Open: {listed}; each document in {ALERTS} states what to do.")


async def _letters(store: MongoStore, time: Time) -> Finding:
    causes = await dead_letters.causes(store, dead_letters.where(states=("waiting",)))
    if not causes:
        return ok(STATE, "dead letters", "None is waiting.")
    count = sum(cause.letters for cause in causes)
    oldest = time.now() - min(cause.first for cause in causes)
    state = f"{count} waiting for an operator; causes: {len(causes)}; the oldest waits for {_readable(oldest)}"
    return warning(STATE, "dead letters", f"{state}. See `tributary dead list`.")


def _readable(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
