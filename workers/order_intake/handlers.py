"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.orders import v1, v2
from contracts.stock.v1 import StockReleaseRequested, StockReserved, StockShort
from infra.runtime.worker import Worker, on
from workers.order_intake import decide
from workers.order_intake.audit import audit
from workers.order_intake.repository import OrderRepository

WORKER = Worker(
    name="order_intake",
    repository=OrderRepository,
    handlers=(
        on(v2.PlaceOrder, older=(v1.PlaceOrder,), decide=decide.place, refuse=decide.refuse_unreadable_order),
        on(v1.UpdateStatus, decide=decide.update_status, refuse=decide.refuse_unreadable_status),
        on(v1.RefundOrder, decide=decide.refund, refuse=decide.refuse_unreadable_refund),
        on(v1.ChangeAfterSale, decide=decide.change_after_sale, refuse=decide.refuse_unreadable_after_sale),
        on(StockReserved, decide=decide.note_reserved),
        on(StockShort, decide=decide.reject),
        on(StockReleaseRequested, decide=decide.cancel_unpaid),
        on(ClockTicked, decide=decide.cancel_overdue),
    ),
    audits=(audit,),
)
