"""The published view of alerts and dead letters: collections `alerting.alerts` and `alerting.dead_letters`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ALERTS = "alerting.alerts"
DEAD_LETTERS = "alerting.dead_letters"

DeadLetterState = Literal["waiting", "replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class Alert:
    """`times` counts how often it was raised, `seen` its dead letters, `settled` those of them that are decided.

    `crossing` is the number of the newest known threshold crossing. `not_kept` counts dead letters of a shop that are
    answered but not kept, because too many of its letters of this cause wait.
    """

    alert: str
    kind: str
    state: Literal["open", "resolved"]
    detail: str
    changed_at: datetime
    times: int = 1
    seen: int = 1
    settled: int = 0
    crossing: int = 0
    not_kept: int | None = None

    @property
    def waiting(self) -> int:
        """Its kept dead letters that are not decided on."""
        return self.seen - self.settled


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead-lettered message, with its body as received. It is kept after it was replayed or discarded."""

    letter_id: str
    worker: str
    queue: str
    message_id: str
    type: str
    reason: str
    detail: str
    attempts: int
    replays: int
    encoding: str
    body: str
    died_at: datetime
    state: DeadLetterState = "waiting"
    content_type: str | None = None
    routing_key: str | None = None
    traceback: str | None = None
    concerns: str | None = None
    sender: str | None = None
    settled_by: str | None = None
    settled_at: datetime | None = None
    note: str | None = None
    os_user: str | None = None

    @property
    def raw(self) -> bytes:
        """The body as received."""
        return base64.b64decode(self.body) if self.encoding == "base64" else self.body.encode()

    @property
    def is_excerpt(self) -> bool:
        """Whether `body` is only the beginning of a body too large to store. The broker holds the whole, unless a shop
        sent it.
        """
        return self.reason == "too_large"
