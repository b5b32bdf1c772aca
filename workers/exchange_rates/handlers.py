"""Which message goes to which rule."""

from contracts.exchange_rates.v1 import ApproveRates, PublishRates, RejectRates
from infra.runtime.worker import Worker, on
from workers.exchange_rates import decide
from workers.exchange_rates.audit import audit
from workers.exchange_rates.repository import ExchangeRatesRepository

WORKER = Worker(
    name="exchange_rates",
    repository=ExchangeRatesRepository,
    handlers=(
        on(PublishRates, decide=decide.publish, refuse=decide.refuse_unreadable),
        on(ApproveRates, decide=decide.approve, refuse=decide.refuse_unreadable),
        on(RejectRates, decide=decide.reject, refuse=decide.refuse_unreadable),
    ),
    audits=(audit,),
)
