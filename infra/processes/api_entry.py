"""The API and its subprocesses, which `infra` finds by name, as it finds workers. The only place that does so."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.processes.exposure import require_safe
from infra.settings import Settings

APPLICATION = f"{__name__}:create"
"""The factory of the ASGI application, for a server that imports it in each of its processes."""


def create() -> Any:
    """The application. A child process ends with its parent, however the parent ended. Raises StartError."""
    # Also for a server that is not started by `tributary api`.
    require_safe(Settings(), os.environ.get("FORWARDED_ALLOW_IPS", ""))
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    return importlib.import_module("api.app").create(rehearsals="infra.rehearsal")


def _end_with(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def module() -> Any:
    """The operator's actions on identity and the audit log."""
    return importlib.import_module("api.identity.accounts.operations")


@asynccontextmanager
async def operations(settings: Settings) -> AsyncIterator[Any]:
    """The operations on the stored identity; creates its collections if missing. Raises StoreUnavailable."""
    loaded = module()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        await store.prepare(loaded.COLLECTIONS)
        yield loaded.Operations(store, settings, os_user())
    finally:
        store.close()
