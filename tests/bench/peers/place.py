"""The servers, database and queue names of a peer. Its processes read them from their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

DURABLE = WriteConcern("majority", j=True)
"""Every contender waits for this."""

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
"""The arguments of every contender's queues."""

_VARIABLE = "BENCH_PEER_"


@dataclass(frozen=True, slots=True)
class Place:
    """Names of queues and exchanges begin with `prefix`; they and the database are deleted afterwards."""

    rabbitmq_url: str
    mongodb_url: str
    database: str
    prefix: str

    @classmethod
    def of_process(cls) -> Self:
        return cls(**{field.name: os.environ[_VARIABLE + field.name.upper()] for field in fields(cls)})

    def environment(self) -> Mapping[str, str]:
        """The environment for a process of the peer."""
        return {**os.environ, **{_VARIABLE + name.upper(): value for name, value in asdict(self).items()}}

    def queue(self, step: str) -> str:
        return f"{self.prefix}.{step}"

    def motor(self) -> Any:
        """The database through Motor. Call it inside the running loop: the client binds to it."""
        client: Any = AsyncIOMotorClient(self.mongodb_url, tz_aware=True, maxPoolSize=200)
        return client.get_database(self.database, write_concern=DURABLE)

    def pymongo(self) -> Any:
        """The database through PyMongo. It connects at the first use, which must come after a fork."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            self.mongodb_url, tz_aware=True, maxPoolSize=200, connect=False
        )
        return client.get_database(self.database, write_concern=DURABLE)
