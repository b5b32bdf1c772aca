"""Which message goes to which rule."""

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations.v1 import AlertRaised, AlertResolved, MessageDeadLettered, SettleDeadLetter
from contracts.stock.v1 import StockLow, StockRecovered, StockShortageChanged
from infra.runtime.worker import Worker, on
from workers.alerting.audit import audit
from workers.alerting.decide import (
    keep_dead_letter,
    note_shortage,
    raise_failing_route,
    raise_low_stock,
    refuse_unreadable_settlement,
    resolve_failing_route,
    resolve_low_stock,
    settle_dead_letter,
)
from workers.alerting.repository import AlertRepository

WORKER = Worker(
    name="alerting",
    repository=AlertRepository,
    handlers=(
        on(StockLow, decide=raise_low_stock),
        on(StockRecovered, decide=resolve_low_stock),
        on(StockShortageChanged, decide=note_shortage),
        on(RouteFailing, decide=raise_failing_route),
        on(RouteRecovered, decide=resolve_failing_route),
        on(MessageDeadLettered, decide=keep_dead_letter),
        on(SettleDeadLetter, decide=settle_dead_letter, refuse=refuse_unreadable_settlement),
    ),
    audits=(audit,),
    announces=(AlertRaised, AlertResolved),
)
