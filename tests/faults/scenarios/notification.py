"""Alerts that are grouped, sent, tried again, repeated, silenced and acknowledged; routes that come and go."""

from __future__ import annotations

from datetime import timedelta

from contracts.alert_routing.v1 import AcknowledgeAlert, EndSilence, RemoveRoute, TestRoute
from contracts.notifications.view import NOTIFICATIONS, Notification
from contracts.operations.v1 import AlertRaised
from tests.builders import NOW, tick
from tests.faults.crash_scenario import Scenario, documents, garbled, noise, outgoing
from tests.notices import a_route, a_silence, delivered, failed, raised, resolved

SENDING, RETRYING = "n-sending", "n-retrying"


def notification() -> Scenario:
    """Ids of notifications follow from those of ticks, so the answers are to stored ones."""
    stored = [
        Notification(
            key, "warehouse", "raised", "sending", "stock_low/-", items=(), more=0, made_at=NOW, attempted_at=NOW
        )
        for key in (SENDING, RETRYING)
    ]
    silence = a_silence(NOW + timedelta(days=20), kinds=("stock_low",))
    return Scenario(
        "notification",
        (
            (
                outgoing(a_route(kinds=("stock_low",))),
                outgoing(a_route("boss")),
                garbled("route.define.v1", route_id="x"),
            ),
            (
                *(outgoing(raised(f"stock/{number}")) for number in (1, 2, 3)),
                outgoing(raised("stock/1"), again=1),
                noise(AlertRaised.message_type),
            ),
            (outgoing(resolved("stock/2")), outgoing(resolved("stock/9")), outgoing(resolved("stock/9"), again=1)),
            (
                outgoing(AcknowledgeAlert(alert="stock/3", by="li.na")),
                outgoing(AcknowledgeAlert(alert="stock/9", by="a")),
            ),
            (outgoing(tick(NOW)), outgoing(tick(NOW), again=1)),
            (outgoing(tick(NOW + timedelta(minutes=1))),),
            (outgoing(failed(RETRYING)), outgoing(failed(SENDING, "refused")), outgoing(failed("n-unknown"))),
            (outgoing(tick(NOW + timedelta(minutes=2))),),
            (outgoing(delivered(RETRYING, attempt=2)), outgoing(delivered(RETRYING, attempt=2), again=1)),
            (outgoing(failed(RETRYING, attempt=2)),),
            (outgoing(RemoveRoute(route_id="boss", by="li.na")), outgoing(RemoveRoute(route_id="none", by="li.na"))),
            (outgoing(silence), outgoing(silence, again=1), outgoing(TestRoute(route_id="warehouse", by="li.na"))),
            (outgoing(raised("stock/4")),),
            (outgoing(tick(NOW + timedelta(hours=1))),),
            (
                outgoing(EndSilence(silence_id="stocktaking", by="li.na")),
                outgoing(EndSilence(silence_id="none", by="a")),
            ),
            (outgoing(tick(NOW + timedelta(hours=9))),),
        ),
        frozenset(
            [
                "defined",
                "refused",
                "raised",
                "outdated",
                "resolved",
                "acknowledged",
                "nothing_due",
                "sent",
                "to_retry",
                "failed",
                "unknown_notification",
                "delivered",
                "duplicate",
                "removed",
                "created",
                "tested",
                "suppressed",
                "ended",
            ]
        ),
        {NOTIFICATIONS: documents(Notification, "notification_id", *stored)},
        dead=1,
    )
