"""Where a peer works: servers, a database and names of its own. Its processes read it from their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

DURABLE = WriteConcern("majority", j=True)
"""What every contender waits for before it goes on."""

QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
"""The arguments of every contender's queues."""

_VARIABLE = "BENCH_PEER_"


@dataclass(frozen=True, slots=True)
class Place:
    """`prefix` begins the name of every queue and exchange; all of them, and the database, are deleted afterwards."""

    rabbitmq_url: str
    mongodb_url: str
    database: str
    prefix: str

    @classmethod
    def of_process(cls) -> Self:
        return cls(**{field.name: os.environ[_VARIABLE + field.name.upper()] for field in fields(cls)})

    def environment(self) -> Mapping[str, str]:
        """The environment of a process that works here."""
        return {**os.environ, **{_VARIABLE + name.upper(): value for name, value in asdict(self).items()}}

    def queue(self, step: str) -> str:
        return f"{self.prefix}.{step}"

    def motor(self) -> Any:
        """The database through Motor. Call it inside the running loop, to which the client binds."""
        client: Any = AsyncIOMotorClient(self.mongodb_url, tz_aware=True, maxPoolSize=200)
        return client.get_database(self.database, write_concern=DURABLE)

    def pymongo(self) -> Any:
        """The database through PyMongo. It connects with the first use, which has to come after a fork."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            self.mongodb_url, tz_aware=True, maxPoolSize=200, connect=False
        )
        return client.get_database(self.database, write_concern=DURABLE)
