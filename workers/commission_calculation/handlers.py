"""Which message goes to which rule."""

from contracts.orders.v1 import OrderCancelled, OrderPaid
from infra.runtime.worker import Worker, on
from workers.commission_calculation.audit import audit
from workers.commission_calculation.decide import accrue, reverse
from workers.commission_calculation.repository import CommissionRepository

WORKER = Worker(
    name="commission_calculation",
    repository=CommissionRepository,
    handlers=(
        on(OrderPaid, decide=accrue),
        on(OrderCancelled, decide=reverse),
    ),
    audit=audit,
)
