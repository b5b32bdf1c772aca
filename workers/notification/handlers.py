"""Which message goes to which rule."""

from contracts.alert_routing.v1 import AcknowledgeAlert, CreateSilence, DefineRoute, EndSilence, RemoveRoute, TestRoute
from contracts.clock.v1 import ClockTicked
from contracts.notifications.v1 import NotificationDelivered, NotificationFailed, RouteFailing
from contracts.operations.v1 import AlertRaised, AlertResolved
from infra.runtime.worker import Worker, on
from workers.notification import decide, deliveries, digests, routes, silences
from workers.notification.audit import audit
from workers.notification.repository import NotificationRepository

WORKER = Worker(
    name="notification",
    repository=NotificationRepository,
    handlers=(
        on(AlertRaised, decide=decide.note_raised),
        on(AlertResolved, decide=decide.note_resolved),
        on(AcknowledgeAlert, decide=decide.acknowledge, refuse=decide.refuse_unreadable_acknowledgement),
        on(DefineRoute, decide=routes.define_route, refuse=routes.refuse_unreadable_route),
        on(RemoveRoute, decide=routes.remove_route, refuse=routes.refuse_unreadable_route),
        on(TestRoute, decide=routes.test_route, refuse=routes.refuse_unreadable_route),
        on(CreateSilence, decide=silences.create_silence, refuse=silences.refuse_unreadable_silence),
        on(EndSilence, decide=silences.end_silence, refuse=silences.refuse_unreadable_silence),
        on(NotificationDelivered, decide=deliveries.note_delivered),
        on(NotificationFailed, decide=deliveries.note_failed),
        on(ClockTicked, decide=digests.send_due),
    ),
    audits=(audit,),
    announces=(RouteFailing,),
)
