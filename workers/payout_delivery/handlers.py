"""Which message asks for which call, and the rule of its answer. The rails themselves are adapters of infra."""

from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from infra.runtime.worker import Worker, performs
from workers.payout_delivery.audit import audit
from workers.payout_delivery.decide import key_of, key_of_check, rail_of, record, record_check
from workers.payout_delivery.repository import PayoutDeliveryRepository

WORKER = Worker(
    name="payout_delivery",
    repository=PayoutDeliveryRepository,
    handlers=(
        performs(PayoutAttemptDue, key=key_of, owner=rail_of, decide=record),
        performs(PayoutCheckDue, key=key_of_check, owner=rail_of, decide=record_check),
    ),
    audits=(audit,),
)
