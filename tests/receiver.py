"""A destination of notifications with a book of its own, in memory: what arrived, and under which key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from contracts.notifications.channel import Channel
from contracts.notifications.v1 import Item, NotificationDue
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from contracts.webhooks.v1 import WebhookDue
from contracts.wire.answer import Answer, Outcome
from infra.ports.time import Time
from tests.builders import NOW

NOTIFICATION_DUE = NotificationDue.message_type.rpartition(".")[0]
WEBHOOK_DUE = WebhookDue.message_type.rpartition(".")[0]
ATTEMPT_DUE = PayoutAttemptDue.message_type.rpartition(".")[0]
CHECK_DUE = PayoutCheckDue.message_type.rpartition(".")[0]


CODES: Mapping[Outcome, str] = {"done": "accepted", "refused": "gone", "unavailable": "away", "unknown": "silent"}


def due(
    notification_id: str = "notification-1", *, attempt: int = 1, route_id: str = "warehouse", host: str = "hooks.test"
) -> NotificationDue:
    """A notification for a webhook; the receiver answers by its route, and its host is the destination."""
    item = Item(alert="stock/501", kind="stock_low", state="open", detail="Product 501 has 3 units left.", since=NOW)
    return NotificationDue(
        notification_id=notification_id,
        route_id=route_id,
        attempt=attempt,
        reason="raised",
        channel=Channel(kind="webhook", host=host, sealed="sealed-1:bm90IGEgc2VjcmV0"),
        thread="stock_low/501",
        items=[item],
    )


@dataclass(slots=True)
class RailReceiver:
    """A rail that accepts each payment and says so when asked, or what `answers` has for the payout. It keeps each key
    that arrived.
    """

    time: Time
    answers: dict[str, Answer] = field(default_factory=dict)
    arrivals: list[str] = field(default_factory=list)

    def destination(self, request: PayoutAttemptDue | PayoutCheckDue) -> str:
        return request.method.rail

    async def send(self, request: PayoutAttemptDue | PayoutCheckDue, key: str) -> Answer:
        if isinstance(request, PayoutAttemptDue):
            self.arrivals.append(key)
        accepted = Answer("done", "accepted", "The bank has it.", self.time.now())
        return replace(self.answers.get(request.payout_id, accepted), at=self.time.now())

    async def look_up(self, request: PayoutAttemptDue | PayoutCheckDue, key: str) -> Answer | None:
        return None


@dataclass(slots=True)
class ShopReceiver:
    """Answers `done`, or what `answers` has for the webhook; keeps each request that arrived."""

    time: Time
    answers: dict[str, Answer] = field(default_factory=dict)
    arrivals: list[WebhookDue] = field(default_factory=list)

    def destination(self, request: WebhookDue) -> str:
        return request.webhook_id

    async def send(self, request: WebhookDue, key: str) -> Answer:
        self.arrivals.append(request)
        answer = self.answers.get(request.webhook_id, Answer("done", "delivered", "answered 204.", self.time.now()))
        return replace(answer, at=self.time.now())

    async def look_up(self, request: WebhookDue, key: str) -> Answer | None:
        return None


@dataclass(slots=True)
class Receiver:
    """Answers `done`, or what `answers` has for the route. With `can_be_asked`, a look-up finds what has arrived."""

    time: Time
    answers: dict[str, Outcome] = field(default_factory=dict)
    can_be_asked: bool = True
    arrivals: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    @property
    def book(self) -> Counter[str]:
        """How often each key arrived."""
        return Counter(self.arrivals)

    def destination(self, request: NotificationDue) -> str:
        return request.channel.host or request.route_id

    async def send(self, request: NotificationDue, key: str) -> Answer:
        outcome = self.answers.get(request.route_id, "done")
        if outcome in ("done", "unknown"):
            self.arrivals.append(key)
        return self.answer(outcome)

    async def look_up(self, request: NotificationDue, key: str) -> Answer | None:
        self.looked_up.append(key)
        if self.can_be_asked and key in self.arrivals:
            return self.answer("done")
        return None

    def answer(self, outcome: Outcome) -> Answer:
        return Answer(outcome, CODES[outcome], f"The receiver answers {outcome}.", self.time.now())
