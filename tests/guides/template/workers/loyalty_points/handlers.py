"""The rule for each message."""

from workers.loyalty_points.audit import audit
from workers.loyalty_points.decide import earn
from workers.loyalty_points.repository import LoyaltyRepository

from contracts.orders.v1 import OrderPaid
from infra.runtime.worker import Worker, on

WORKER = Worker(
    name="loyalty_points",
    repository=LoyaltyRepository,
    handlers=(on(OrderPaid, decide=earn),),
    audits=(audit,),
)
