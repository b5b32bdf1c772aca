"""After the sale: the statuses that a refunded order may still take, and open after-sales."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.orders.v1 import (
    AfterSaleChanged,
    AfterSaleRefused,
    RefundRefused,
    StatusRefused,
)
from contracts.wire.decision import Decision, NotYet
from contracts.wire.refusal import Unreadable
from tests.builders import (
    KEY,
    NOW,
    ORDER,
    SHOP,
    a_refund_line,
    after_sale,
    an_order,
    cancelled,
    message,
    order_state,
    refund,
    update,
)
from tests.unit.order_steps import CANCELLED_WHEN_PAID, COMPLETED, PAID, REJECTED, RESERVED, SHIPPED
from workers.order_intake import decide
from workers.order_intake.model import State

LATER = NOW + timedelta(days=3)


def after_refund(before: dict[str, Any], quantity: int) -> State:
    command = refund(a_refund_line(quantity=quantity))
    return decide.refund(order_state(an_order(**before)), message(command, time=LATER)).state


class TestStatusAfterwards:
    @pytest.mark.parametrize(
        ("before", "status"),
        [
            (PAID, "paid"),
            (SHIPPED, "paid"),
            (SHIPPED, "shipped"),
            (COMPLETED, "paid"),
            (COMPLETED, "shipped"),
            (COMPLETED, "completed"),
        ],
    )
    def test_a_repeated_status_changes_nothing(self, before: dict[str, Any], status: str) -> None:
        state = after_refund(before, 2)

        assert decide.update_status(state, message(update(status))) == Decision(state, outcome="already_refunded")

    @pytest.mark.parametrize(
        ("before", "status"),
        [
            (PAID, "shipped"),
            (PAID, "completed"),
            (PAID, "cancelled"),
            (SHIPPED, "completed"),
            (SHIPPED, "cancelled"),
            (COMPLETED, "cancelled"),
        ],
    )
    def test_any_other_status_is_refused(self, before: dict[str, Any], status: str) -> None:
        state = after_refund(before, 2)
        detail = f"order {KEY} was refunded (all its money is back); it cannot become {status}."
        event = StatusRefused(shop_id=SHOP, order_id=ORDER, status=status, reason="order_refunded", detail=detail)

        assert decide.update_status(state, message(update(status))) == Decision(state, (event,), "refused")

    def test_a_partly_refunded_order_continues(self) -> None:
        state = after_refund(PAID, 1)

        shipped = decide.update_status(state, message(update("shipped")))
        completed = decide.update_status(shipped.state, message(update("completed")))
        again = decide.refund(completed.state, message(refund(refund_id="refund-2"), time=LATER))

        assert (shipped.outcome, completed.outcome) == ("shipped", "completed")
        order = again.state.orders[KEY]
        assert (order.status, [each.was_shipped for each in order.refunds]) == ("refunded", [False, True])
        assert (again.publish[0].was_shipped, again.publish[0].is_full) == (True, True)

    def test_an_order_refunded_in_part_can_still_be_cancelled(self) -> None:
        state = after_refund(PAID, 1)
        before = state.orders[KEY]
        after = replace(before, version=5, status="cancelled", reason="cancelled_by_shop")

        assert decide.update_status(state, message(update("cancelled"))) == Decision(
            state.with_orders(after), (cancelled(version=5, net_total=Decimal("90.00")),), "cancelled"
        )


def after_sale_refused(state: State, reason: str, detail: str) -> Decision[State]:
    event = AfterSaleRefused(shop_id=SHOP, order_id=ORDER, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


class TestAfterSale:
    @pytest.mark.parametrize("before", [PAID, SHIPPED, COMPLETED])
    def test_an_after_sale_is_opened_and_closed(self, before: dict[str, Any]) -> None:
        state = order_state(an_order(**before))
        version = before["version"]

        opened = decide.change_after_sale(state, message(after_sale()))
        closed = decide.change_after_sale(opened.state, message(after_sale(False)))

        was_open = an_order(**{**before, "version": version + 1}, after_sale_open=True)
        event = AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=version + 1, open=True)
        assert opened == Decision(state.with_orders(was_open), (event,), "after_sale_opened")
        event = AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=version + 2, open=False)
        order = an_order(**{**before, "version": version + 2})
        assert closed == Decision(state.with_orders(order), (event,), "after_sale_closed")

    @pytest.mark.parametrize(("is_open", "outcome"), [(True, "already_open"), (False, "already_closed")])
    def test_a_repeat_changes_nothing(self, is_open: bool, outcome: str) -> None:
        state = order_state(an_order(**SHIPPED, after_sale_open=is_open))

        assert decide.change_after_sale(state, message(after_sale(is_open))) == Decision(state, outcome=outcome)

    @pytest.mark.parametrize("before", [CANCELLED_WHEN_PAID, {**PAID, "status": "refunded"}])
    def test_an_open_after_sale_can_be_closed_after_the_orders_end(self, before: dict[str, Any]) -> None:
        state = order_state(an_order(**before, after_sale_open=True))

        assert decide.change_after_sale(state, message(after_sale(False))).outcome == "after_sale_closed"

    @pytest.mark.parametrize(
        ("before", "ending"),
        [
            (REJECTED, "stock_short"),
            (CANCELLED_WHEN_PAID, "cancelled_by_shop"),
            ({**PAID, "status": "refunded"}, "all its money is back"),
        ],
    )
    def test_an_after_sale_cannot_be_opened_after_the_orders_end(self, before: dict[str, Any], ending: str) -> None:
        state = order_state(an_order(**before))
        detail = f"order {KEY} was {before['status']} ({ending}); there is no commission left to hold."

        assert decide.change_after_sale(state, message(after_sale())) == after_sale_refused(
            state, f"order_{before['status']}", detail
        )

    @pytest.mark.parametrize("is_open", [True, False])
    def test_an_after_sale_before_order_or_payment_is_retried_then_refused(self, is_open: bool) -> None:
        command = message(after_sale(is_open))
        nothing, pending = order_state(), order_state(an_order(**RESERVED))
        never = after_sale_refused(nothing, "order_unknown", f"order {KEY} was never accepted; place it first.")
        unpaid = after_sale_refused(pending, "not_paid", f"order {KEY} is not paid, so no commission is held for it.")

        assert decide.change_after_sale(nothing, command) == NotYet("order_unknown", never)
        assert decide.change_after_sale(pending, command) == NotYet("not_paid", unpaid)

    def test_an_order_that_has_changed_very_often_opens_no_more(self) -> None:
        often, once_more = (order_state(an_order(**{**SHIPPED, "version": version})) for version in (500, 499))
        detail = f"order {KEY} has changed 500 times; open no more after-sales."
        refused = AfterSaleRefused(shop_id=SHOP, order_id=ORDER, reason="too_many_changes", detail=detail)

        assert decide.change_after_sale(often, message(after_sale())) == Decision(often, (refused,), "refused")
        opened = decide.change_after_sale(once_more, message(after_sale()))
        assert isinstance(opened, Decision)
        closed = decide.change_after_sale(opened.state, message(after_sale(is_open=False)))
        assert (opened.outcome, closed.outcome) == ("after_sale_opened", "after_sale_closed")


class TestUnreadable:
    @staticmethod
    def unreadable(**data: Any) -> Unreadable:
        return Unreadable("m-1", "order.refund.v1", "missing_field", "lines: Field required", b"{}", data=data)

    @pytest.mark.parametrize(("refund_id", "repeated"), [("refund-1", "refund-1"), (7, "7"), (None, "None")])
    def test_a_refund_that_names_its_order_is_refused(self, refund_id: Any, repeated: str) -> None:
        item = self.unreadable(shop_id=SHOP, order_id=ORDER, refund_id=refund_id)
        event = RefundRefused(
            shop_id=SHOP,
            order_id=ORDER,
            refund_id=repeated,
            reason="invalid_message",
            detail="lines: Field required",
        )

        assert decide.refuse_unreadable_refund(item) == event

    def test_an_after_sale_that_names_its_order_is_refused(self) -> None:
        event = AfterSaleRefused(shop_id=SHOP, order_id=ORDER, reason="invalid_message", detail="lines: Field required")

        assert decide.refuse_unreadable_after_sale(self.unreadable(shop_id=SHOP, order_id=ORDER)) == event

    @pytest.mark.parametrize("data", [{}, {"shop_id": SHOP}, {"order_id": ORDER}])
    def test_a_message_without_its_order_is_dead_lettered(self, data: dict[str, Any]) -> None:
        assert decide.refuse_unreadable_refund(self.unreadable(**data)) is None
        assert decide.refuse_unreadable_after_sale(self.unreadable(**data)) is None
