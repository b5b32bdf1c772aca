"""The channels of a run: they answer each notification once, in any way, and in the end deliver them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from contracts.alert_routing.v1 import (
    AcknowledgeAlert,
    CreateSilence,
    DefineRoute,
    EndSilence,
    RemoveRoute,
    TestRoute,
)
from contracts.notifications.v1 import NotificationDelivered, NotificationDue, NotificationFailed
from contracts.wire.envelope import BATCH, EVENTS_EXCHANGE, Payload, derived_id, message_of
from infra.ports.messaging import Outgoing
from tests.builders import TEA
from tests.notices import a_route, a_silence
from tests.simulation.broker import Publication, SimulatedBroker
from tests.simulation.scheduler import Scheduler
from tests.simulation.traffic import Traffic
from tests.simulation.world import START, TRAFFIC_S

SOURCE = "channels"
ANSWER_MS_MAX = 20_000
OUTCOMES = ("done", "done", "done", "unavailable", "unavailable", "unknown", "refused")


@dataclass(slots=True)
class Channels:
    """Stands for the performer: a message that is due twice is answered once.

    After the last fault, `is_calm`, only what was raised may fail, and once, so that every run comes to an end.
    """

    broker: SimulatedBroker
    scheduler: Scheduler
    seed: int
    is_calm: bool = False
    answered: set[str] = field(default_factory=set)

    def take(self, message: Outgoing) -> None:
        if message.routing_key != NotificationDue.message_type:
            return
        for event in Publication(message).events:
            if event["id"] not in self.answered:
                self.answered.add(event["id"])
                self._answer_later(event)

    def _answer_later(self, event: dict[str, Any]) -> None:
        rng = random.Random(f"{self.seed}/{event['id']}")
        outcome = rng.choice(OUTCOMES)
        if self.is_calm and (
            event["data"]["attempt"] > 1 or event["data"]["reason"] != "raised" or _is_of_route(event)
        ):
            outcome = "done"
        self.scheduler.after(int(rng.random() * ANSWER_MS_MAX), lambda: self._answer(event, outcome))

    def _answer(self, event: dict[str, Any], outcome: str) -> None:
        at = START + timedelta(milliseconds=self.scheduler.now_ms)
        asked = {name: event["data"][name] for name in ("notification_id", "route_id", "attempt")}
        answer: Payload
        if outcome == "done":
            answer = NotificationDelivered(**asked, code="ok", delivered_at=at)
        else:
            given = {
                **asked,
                "outcome": outcome,
                "code": "simulated",
                "detail": "A simulated failure.",
                "failed_at": at,
            }
            answer = NotificationFailed.model_validate(given)
        message = message_of(type(answer))(
            id=derived_id(SOURCE, event["id"]), source=SOURCE, type=answer.message_type, time=at, data=answer
        )
        body = b"[" + message.to_bytes() + b"]"
        self.broker.take(Outgoing(EVENTS_EXCHANGE, answer.message_type, body, BATCH))


def _is_of_route(event: dict[str, Any]) -> bool:
    return any(item["alert"].startswith("route/") for item in event["data"]["items"])


def send_routes(traffic: Traffic) -> None:
    """Routes before the first alert or during the traffic, and what operators do to them in any order."""
    rng = random.Random(f"routes/{traffic.moments}")
    within_s = rng.choice((0.001, TRAFFIC_S))
    narrow: dict[str, Any] = {
        "kinds": ("stock_low", "stock_oversold", "route_failing"),
        "budget_per_min": rng.choice((1, 18)),
    }
    traffic.send(a_route("boss", severity_min=rng.choice(("info", "critical")), group_by=()), within_s=within_s)
    traffic.send(a_route(**narrow), within_s=within_s, times=rng.choice((1, 2)))
    odd: list[tuple[DefineRoute | RemoveRoute | TestRoute | CreateSilence | EndSilence | AcknowledgeAlert, float]] = [
        (a_route(**narrow, escalate_to="boss", escalate_after_s=60), 0.5),
        (a_route("boss", kinds=("dead_letter",)), 0.3),
        (RemoveRoute(route_id="boss", by="li.na"), 0.2),
        (TestRoute(route_id="warehouse", by="li.na"), 0.5),
        (a_silence(START + timedelta(minutes=15)), 0.3),
        (EndSilence(silence_id="stocktaking", by="li.na"), 0.3),
        (AcknowledgeAlert(alert=f"stock/{TEA}", by="li.na"), 0.5),
    ]
    for command, chance in odd:
        if rng.random() < chance:
            traffic.send(command, times=rng.choice((1, 1, 2)))
