"""The servers that trials run on: started when the first trial needs them, shared by all, stopped together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aio_pika

from infra import local
from infra.adapters import rabbitmq_topology
from infra.ports.topology import Topology
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.settings import Settings
from tests.faults.proxy import Proxy
from tests.faults.servers import STABLE_AFTER_S, SingleServers
from tests.faults.servers_mongodb import ReplicaSet
from tests.faults.servers_rabbitmq import Cluster

RETRY_DELAYS_S = (2, 5, 15)
"""Shorter than in production, so that retries end within a trial."""

Kind = Literal["direct", "proxied", "replica_set", "cluster"]
"""Single servers, the same through proxies, three MongoDB members, or three RabbitMQ nodes."""


@dataclass(slots=True)
class Bench:
    """`single` always runs; `rabbitmq` and `mongodb` are proxies in front of it, used by the workers only."""

    home: Path
    name: str
    single: SingleServers = field(init=False)
    replica_set: ReplicaSet = field(init=False)
    cluster: Cluster = field(init=False)
    rabbitmq: Proxy = field(init=False)
    mongodb: Proxy = field(init=False)
    balancer: Proxy = field(init=False)
    _endpoints: local.Endpoints | None = None

    def __post_init__(self) -> None:
        self.single = SingleServers(self.name, self.home)
        self.replica_set = ReplicaSet(self.home / f"{self.name}-mongodb")
        self.cluster = Cluster(self.home / f"{self.name}-rabbitmq")

    async def start(self) -> None:
        self._endpoints = await asyncio.to_thread(self.single.start)
        self.rabbitmq = Proxy([_port(self._endpoints.rabbitmq_url)])
        self.mongodb = Proxy([_port(self._endpoints.mongodb_url)])
        await self.rabbitmq.start()
        await self.mongodb.start()

    async def start_for(self, kind: Kind) -> None:
        """Start what this kind of trial needs besides the single servers, and what an earlier trial killed."""
        await asyncio.to_thread(self.single.start)
        for proxy in (self.rabbitmq, self.mongodb):
            proxy.heal()
        if kind == "replica_set" and not self.replica_set.running:
            await asyncio.to_thread(self.replica_set.start)
        if kind == "cluster" and not self.cluster.running:
            await asyncio.to_thread(self.cluster.start)
            self.balancer = Proxy(self.cluster.ports)
            await self.balancer.start()
            settings = self.settings(kind, "")
            await rabbitmq_topology.declare(settings.rabbitmq_url, topology_of(roster.load_all(), settings))
            await asyncio.sleep(STABLE_AFTER_S)

    async def stop(self) -> None:
        for name in ("rabbitmq", "mongodb", "balancer"):
            if (proxy := getattr(self, name, None)) is not None:
                await proxy.stop()
        for remove in (self.cluster.remove, self.replica_set.remove, self.single.remove):
            await asyncio.to_thread(remove)

    def settings(self, kind: Kind, database: str) -> Settings:
        """How shops and the trial itself reach the servers: directly."""
        assert self._endpoints is not None, "start() comes first"
        mongodb_url, rabbitmq_url = self._endpoints.mongodb_url, self._endpoints.rabbitmq_url
        if kind == "replica_set":
            mongodb_url = self.replica_set.url
        if kind == "cluster":
            rabbitmq_url = self.cluster.url(self.balancer.port)
        return _settings(rabbitmq_url, mongodb_url, self._endpoints.redis_url, database)

    def worker_settings(self, kind: Kind, database: str) -> Settings:
        """How the workers reach the servers."""
        settings = self.settings(kind, database)
        if kind != "proxied":
            return settings
        # A driver that knew the replica set would connect to the member's own address, not to the proxy.
        return settings.model_copy(
            update={
                "rabbitmq_url": settings.rabbitmq_url.replace(
                    str(_port(settings.rabbitmq_url)), str(self.rabbitmq.port)
                ),
                "mongodb_url": f"mongodb://127.0.0.1:{self.mongodb.port}/?directConnection=true",
            }
        )

    async def purge(self, settings: Settings, topology: Topology) -> None:
        """Empty every queue, so that each trial begins without old messages."""
        connection = await aio_pika.connect(settings.rabbitmq_url)
        try:
            for queue in topology.queues:
                channel = await connection.channel()
                await (await channel.get_queue(queue.name, ensure=False)).purge()
                await channel.close()
        finally:
            await connection.close()

    def versions(self) -> dict[str, str]:
        return self.single.versions()


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, "the URLs of the local stack have ports"
    return port


def _settings(rabbitmq_url: str, mongodb_url: str, redis_url: str, database: str) -> Settings:
    fields: dict[str, Any] = {
        "rabbitmq_url": rabbitmq_url,
        "mongodb_url": mongodb_url,
        "redis_url": redis_url,
        "database": database,
        "retry_delays_s": RETRY_DELAYS_S,
    }
    return Settings(**fields)
