"""Every collection of a worker: what it owns, and what the runtime keeps for it."""

from __future__ import annotations

from infra.ports.store import Collection
from infra.runtime.attempts import Attempts
from infra.runtime.journal import Journal
from infra.runtime.quarantine import Quarantine
from infra.runtime.worker import Worker
from infra.settings import Settings


def collections_of(worker: Worker, settings: Settings) -> list[Collection]:
    return [*worker.repository.collections, *kept_for(worker, settings)]


def kept_for(worker: Worker, settings: Settings) -> list[Collection]:
    """The journal, the notes about suspects, and for a performer those about its calls."""
    kept = [Journal(worker.name, settings.journal_retention_days).collection, Quarantine(worker.name).collection]
    if worker.performs:
        kept.append(Attempts(worker.name, settings.journal_retention_days).collection)
    return kept
