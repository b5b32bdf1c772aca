"""`doctor`: checks every server and the stored state, and reports what is wrong and what to do. It changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_errors import StoreRefused
from infra.adapters.redis import RedisCache
from infra.operators.diagnosis_broker import look_at_broker
from infra.operators.diagnosis_logins import look_at_logins
from infra.operators.diagnosis_queues import look_at_queues
from infra.operators.diagnosis_store import PART as STORE
from infra.operators.diagnosis_store import look_at_store
from infra.operators.findings import Finding, ok, problem, warning
from infra.ports.cache import CacheUnavailable
from infra.ports.store import Collection, StoreUnavailable
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.runtime.collections import collections_of
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings

_CACHE = "Redis"
_DISK = "disk"
_GIB = 1024**3
_FREE_LITTLE = 0.1
_FREE_TOO_LITTLE_BYTES = 1 * _GIB
"""Somewhere below this, RabbitMQ and MongoDB both stop accepting writes."""


async def diagnose(settings: Settings, folder: Path | None) -> list[Finding]:
    """Check everything; `folder` has the servers' data, if that is on this machine."""
    workers = roster.load_all()
    queues = [queue for worker in workers for queue in worker.queues]
    topology = topology_of(workers, settings)
    looks = await asyncio.gather(
        look_at_broker(settings.rabbitmq_url, topology, queues, event_bytes_max=settings.event_bytes_max),
        look_at_queues(settings.rabbitmq_management_url, [queue.name for queue in topology.queues]),
        look_at_logins(settings.rabbitmq_management_url, workers),
        _store(settings, workers),
        _cache(settings.redis_url),
        _disk(settings, folder),
    )
    return [finding for findings in looks for finding in findings]


def unreachable(findings: Sequence[Finding]) -> bool:
    """Whether no server at all could be reached."""
    return all(finding.level != "ok" for finding in findings if finding.check == "reachable")


async def _store(settings: Settings, workers: Sequence[Worker]) -> list[Finding]:
    try:
        store = MongoStore.connect(settings.mongodb_url, settings.database)
    except StoreUnavailable as error:
        return [problem(STORE, "reachable", f"{error}.")]
    try:
        return await look_at_store(store, _collections(settings, workers), RealTime())
    finally:
        store.close()


def _collections(settings: Settings, workers: Sequence[Worker]) -> list[Collection]:
    return [collection for worker in workers for collection in collections_of(worker, settings)]


async def _disk(settings: Settings, folder: Path | None) -> list[Finding]:
    """For servers on this machine, check the disk directly: a full disk may be why they do not answer."""
    if folder is None:
        return [await _disk_of_mongodb(settings)]
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return [warning(_DISK, "free", f"{folder} cannot be read: {error.strerror}.")]
    return [disk_finding(str(folder), usage.free, usage.total)]


async def _disk_of_mongodb(settings: Settings) -> Finding:
    try:
        store = MongoStore.connect(settings.mongodb_url, settings.database)
        try:
            figures = await store.run("dbStats")
        finally:
            store.close()
    except (StoreRefused, StoreUnavailable) as error:
        return warning(_DISK, "free", f"MongoDB does not report its free disk space: {error}.")
    if "fsTotalSize" not in figures:
        return warning(_DISK, "free", "MongoDB does not report its free disk space; check it there.")
    total = int(figures["fsTotalSize"])
    return disk_finding("MongoDB's disk", total - int(figures["fsUsedSize"]), total)


def disk_finding(place: str, free: int, total: int) -> Finding:
    """`free` and `total` are bytes."""
    state = f"{place} has {free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < _FREE_TOO_LITTLE_BYTES:
        return problem(_DISK, "free", f"{state}; free space now, before the servers stop accepting writes.")
    if free < total * _FREE_LITTLE:
        return warning(_DISK, "free", f"{state}; free space soon.")
    return ok(_DISK, "free", f"{state}.")


async def _cache(url: str) -> list[Finding]:
    """At most a warning: without Redis everything is still correct, only slower."""
    try:
        cache = RedisCache.connect(url)
        try:
            await cache.ping()
            return [ok(_CACHE, "reachable", f"Version {await cache.version()} answers.")]
        finally:
            await cache.close()
    except CacheUnavailable as error:
        detail = f"It does not answer ({error}); reads are slower without it. Start it, or correct REDIS_URL."
        return [warning(_CACHE, "reachable", detail)]
