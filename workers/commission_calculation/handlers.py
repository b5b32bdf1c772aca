"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.orders.v1 import AfterSaleChanged, OrderCancelled, OrderCompleted, OrderPaid, OrderRefunded
from infra.runtime.worker import Worker, on
from workers.commission_calculation.audit import audit_orders
from workers.commission_calculation.audit_accounts import audit_accounts
from workers.commission_calculation.decide import (
    accrue,
    note_after_sale,
    release,
    start_hold,
    take_back,
    take_back_all,
)
from workers.commission_calculation.repository import CommissionRepository

WORKER = Worker(
    name="commission_calculation",
    repository=CommissionRepository,
    handlers=(
        on(OrderPaid, decide=accrue),
        on(OrderCompleted, decide=start_hold),
        on(AfterSaleChanged, decide=note_after_sale),
        on(OrderRefunded, decide=take_back),
        on(OrderCancelled, decide=take_back_all),
        on(ClockTicked, decide=release),
    ),
    audits=(audit_orders, audit_accounts),
)
