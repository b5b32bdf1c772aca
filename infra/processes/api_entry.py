"""The API, and what it runs aside, as `infra` knows them: by name, as it knows workers. The only place that does."""

from __future__ import annotations

import getpass
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.adapters.mongo import MongoStore
from infra.settings import Settings

APPLICATION = f"{__name__}:create"
"""Makes the ASGI application, for a server that imports it in each of its processes."""


def create() -> Any:
    """The application. A process of several ends with the one that started it, however that ended."""
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    return importlib.import_module("api.app").create(rehearsals="infra.rehearsal")


def _end_with(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def module() -> Any:
    """What an operator can do to identity and the audit log."""
    return importlib.import_module("api.identity.accounts.operations")


@asynccontextmanager
async def operations(settings: Settings) -> AsyncIterator[Any]:
    """The operations on the stored identity; its collections are there. Raises StoreUnavailable."""
    loaded = module()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        await store.prepare(loaded.COLLECTIONS)
        yield loaded.Operations(store, settings, _operator())
    finally:
        store.close()


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
