"""Which message goes to which rule."""

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations import v1 as operations
from contracts.stock.v1 import StockExpired, StockExpiring, StockLow, StockRecovered, StockShortageChanged
from contracts.webhooks.v1 import WebhookDisabled, WebhookEnabled, WebhookRemoved
from infra.runtime.worker import Worker, on
from workers.alerting.audit import audit
from workers.alerting.decide import keep_dead_letter, refuse_unreadable_settlement, settle_dead_letter
from workers.alerting.payouts import RULES as OF_PAYOUTS
from workers.alerting.queues import note_queues
from workers.alerting.repository import AlertRepository
from workers.alerting.routes import raise_failing_route, resolve_failing_route
from workers.alerting.stock import note_expired, note_expiring, note_shortage, raise_low_stock, resolve_low_stock
from workers.alerting.verification import note_verification, refuse_unreadable_result
from workers.alerting.webhooks import note_back, note_disabled

WORKER = Worker(
    name="alerting",
    repository=AlertRepository,
    handlers=(
        on(StockLow, decide=raise_low_stock),
        on(StockRecovered, decide=resolve_low_stock),
        on(StockShortageChanged, decide=note_shortage),
        on(StockExpiring, decide=note_expiring),
        on(StockExpired, decide=note_expired),
        on(WebhookDisabled, decide=note_disabled),
        on(WebhookEnabled, decide=note_back),
        on(WebhookRemoved, decide=note_back),
        *(on(event, decide=rule) for event, rule in OF_PAYOUTS),
        on(operations.QueueMeasured, decide=note_queues),
        on(operations.ReportVerification, decide=note_verification, refuse=refuse_unreadable_result),
        on(RouteFailing, decide=raise_failing_route),
        on(RouteRecovered, decide=resolve_failing_route),
        on(operations.MessageDeadLettered, decide=keep_dead_letter),
        on(operations.SettleDeadLetter, decide=settle_dead_letter, refuse=refuse_unreadable_settlement),
    ),
    audits=(audit,),
    announces=(operations.AlertRaised, operations.AlertResolved),
)
