"""Which message goes to which rule."""

from contracts.commissions.v1 import CommissionReleased
from contracts.orders.v1 import OrderCancelled, OrderPaid, OrderRefunded
from infra.runtime.worker import Worker, on
from workers.reward_checks.audit import audit
from workers.reward_checks.decide import count_sale, release_sale, take_back_refund, take_back_sale
from workers.reward_checks.repository import RewardRepository

WORKER = Worker(
    name="reward_checks",
    repository=RewardRepository,
    handlers=(
        on(OrderPaid, decide=count_sale),
        on(OrderRefunded, decide=take_back_refund),
        on(OrderCancelled, decide=take_back_sale),
        on(CommissionReleased, decide=release_sale),
    ),
    audits=(audit,),
)
