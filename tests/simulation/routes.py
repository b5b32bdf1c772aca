"""Routes, silences and acknowledgements of a run, and whether people were notified by them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
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
from contracts.notifications.v1 import NotificationDue
from contracts.notifications.view import NOTICES, NOTIFICATIONS
from tests.builders import TEA
from tests.notices import a_route, a_silence
from tests.simulation.outside import SimulatedOutside
from tests.simulation.store import SimulatedStore
from tests.simulation.traffic import Traffic
from tests.simulation.world import START, TRAFFIC_S


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


def notified(store: SimulatedStore, outside: SimulatedOutside) -> Iterator[str]:
    """In the end, each change of an alert has reached the outside on each of its routes, or has its reason."""
    arrived: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for arrival in outside.arrivals:
        if isinstance(arrival.request, NotificationDue):
            arrived[arrival.request.notification_id] |= {(item.alert, item.state) for item in arrival.request.items}
    notifications = store.tables[NOTIFICATIONS]
    for key, notice in store.tables[NOTICES].items():
        where = f"notice {key} of {notice['alert']} on the route {notice['route_id']}"
        notification = notifications.get(notice.get("notification_id"), {})
        if notice["state"] == "suppressed":
            if not notice.get("reason"):
                yield f"{where} is suppressed without a reason"
        elif notice["state"] == "waiting" or notification.get("state") not in ("delivered", "failed"):
            yield f"{where} is {notice['state']}, its notification is {notification}"
        elif notification["state"] == "failed":
            if not notification.get("code"):
                yield f"{where} failed without a code"
        elif (notice["alert"], notice["item"]["state"]) not in arrived[notification["_id"]] and not notification[
            "more"
        ]:
            yield f"{where} is delivered with {notification['_id']}, which arrived as {arrived[notification['_id']]}"
