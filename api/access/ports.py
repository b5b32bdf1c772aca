"""The ports that the routes use; `infra.processes.connections` opens the real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request

from api.http.limits import Limits
from api.identity.accounts.identity import Identity
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.storage.audit_key import AuditKey
from api.storage.audit_log import AuditLog
from api.storage.figures import TYPES, Figures
from api.storage.message_changes import MessageChanges
from api.storage.protocols import Commands, Documents
from api.storage.repository import COLLECTIONS
from infra.gateway.event_listener import listening
from infra.gateway.subprocesses import Subprocess
from infra.operators.payee_keys import missing_master
from infra.ports.cache import Cache
from infra.ports.rails import Callbacks
from infra.ports.time import RealTime, Time
from infra.ports.vault import Seals
from infra.processes.connections import Connections, open_connections
from infra.settings import Settings
from infra.vault.master import MasterKeys
from infra.vault.repository import COLLECTION as VAULT_KEYS

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ports:
    """One process's connections, and the services built on them."""

    settings: Settings
    store: Documents
    commands: Commands
    cache: Cache
    time: Time
    audit: AuditLog
    identity: Identity
    limits: Limits
    figures: Figures
    rehearsals: Subprocess
    callbacks: Callbacks
    vault: Seals


@asynccontextmanager
async def open_ports(settings: Settings, *, rehearsals: str) -> AsyncIterator[Ports]:
    """Connect, prepare the API's collections, and close all at the end; `rehearsals` names the subprocess's module."""
    async with open_connections(settings, (*COLLECTIONS, *IDENTITY_COLLECTIONS, VAULT_KEYS)) as connections:
        ports = ports_on(connections, settings, rehearsals)
        if await ports.audit.lacks_key():
            raise ValueError("The audit log is keyed; set TRIBUTARY_IDENTITY_SECRET as it was, and start again.")
        await ports.identity.prepare()
        if missing := await missing_master(connections.store, MasterKeys(settings.master_key_file)):
            log.error("some payees cannot be read or paid", reason=missing)
        async with listening(settings.rabbitmq_url, TYPES, ports.figures.on_events):
            copying = asyncio.create_task(MessageChanges(ports.store, ports.audit, ports.time).keep_copying())
            try:
                yield ports
            finally:
                copying.cancel()


def ports_on(connections: Connections, settings: Settings, rehearsals: str) -> Ports:
    store, commands, time = connections.store, connections.commands, RealTime()
    audit = AuditLog(store, time, AuditKey.of(settings))
    identity = Identity.of(settings, store, commands, audit, time, connections.fetch_json)
    limits = Limits(connections.cache, settings)
    figures = Figures(store, connections.cache, time, settings)
    calculations = Subprocess(settings, rehearsals)
    return Ports(
        settings,
        store,
        commands,
        connections.cache,
        time,
        audit,
        identity,
        limits,
        figures,
        calculations,
        connections.callbacks,
        connections.vault,
    )


async def ports_of(request: Request) -> Ports:
    """Asynchronous although it awaits nothing: FastAPI runs a synchronous dependency in a thread for every request."""
    ports: Ports = request.app.state.ports
    return ports


Here = Annotated[Ports, Depends(ports_of)]
"""A route's parameter: `ports: Here`."""
