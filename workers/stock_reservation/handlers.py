"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.orders.v1 import OrderAccepted, OrderCancelled, OrderRefunded, OrderShipped, UnpaidCancelled
from contracts.stock.v1 import AdjustStock, ReceiveStock, SetStock
from infra.runtime.worker import Worker, on
from workers.stock_reservation.audit import audit
from workers.stock_reservation.decide import (
    adjust,
    check_dates,
    count,
    give_back,
    receive,
    refuse_unreadable,
    release,
    reserve,
    ship,
    take_back,
)
from workers.stock_reservation.repository import StockRepository

WORKER = Worker(
    name="stock_reservation",
    repository=StockRepository,
    handlers=(
        on(OrderAccepted, decide=reserve),
        on(OrderShipped, decide=ship),
        on(OrderCancelled, decide=release),
        on(OrderRefunded, decide=give_back),
        on(UnpaidCancelled, decide=take_back),
        on(ReceiveStock, decide=receive, refuse=refuse_unreadable),
        on(AdjustStock, decide=adjust, refuse=refuse_unreadable),
        on(SetStock, decide=count, refuse=refuse_unreadable),
        on(ClockTicked, decide=check_dates),
    ),
    audits=(audit,),
)
