"""Operations messages, version 1."""

from __future__ import annotations

from pydantic import Field

from contracts.envelope import Event, Timestamp
from contracts.fields import Code


class MessageDeadLettered(Event, type="message.dead-lettered.v1"):
    """A worker set a message aside after all that could be tried. `body` is what arrived, so nothing is lost.

    `reason` is a code to group by; `detail` a sentence that names the field and the rule, or the last line of the
    traceback. `encoding` is `utf-8`, or `base64` where the body is not text.
    """

    worker: str
    queue: str
    message_id: str
    type: str
    reason: Code
    detail: str
    attempts: int
    replays: int = 0
    traceback: str | None = None
    content_type: str | None = None
    encoding: str = "utf-8"
    body: str = Field(repr=False)
    concerns: str | None = None

    def about(self) -> str:
        return self.concerns or f"message/{self.message_id}"


class AlertRaised(Event, type="alert.raised.v1"):
    """Something needs a person. One per crossing: `alert` names what it is about, `count` how often it was seen."""

    alert: str
    kind: Code
    detail: str
    raised_at: Timestamp

    def about(self) -> str:
        return f"alert/{self.alert}"


class AlertResolved(Event, type="alert.resolved.v1"):
    alert: str
    kind: Code
    detail: str
    resolved_at: Timestamp

    def about(self) -> str:
        return f"alert/{self.alert}"
