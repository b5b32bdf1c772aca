"""An accepted order's statuses: each step happens once, early steps are retried, late ones change nothing."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.orders.v1 import OrderRejected, StatusRefused
from contracts.wire.decision import Decision, NotYet
from tests.builders import (
    CUP,
    HALF_AN_HOUR,
    KEY,
    NOW,
    ORDER,
    SHOP,
    TEA,
    a_refund_line,
    after_sale,
    an_order,
    cancelled,
    completed,
    message,
    order_state,
    paid,
    place,
    refund,
    shipped,
    tick,
    update,
)
from tests.stock_builders import reserved, short
from tests.unit.order_steps import CANCELLED, COMPLETED, PAID, REJECTED, RESERVED, SHIPPED
from workers.order_intake import decide
from workers.order_intake.model import Order, State

LATER = NOW + timedelta(minutes=5)


def status_refused(status: str, reason: str, detail: str, state: State) -> Decision[State]:
    event = StatusRefused(shop_id=SHOP, order_id=ORDER, status=status, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


class TestStock:
    def test_a_reservation_starts_the_payment_deadline(self) -> None:
        state = order_state(an_order(payment_deadline_s=60))
        order = an_order(version=2, reserved=True, payment_deadline_s=60, due_at=LATER + timedelta(seconds=60))

        assert decide.note_reserved(state, message(reserved((TEA, "default", 2)), time=LATER)) == Decision(
            state.with_orders(order), outcome="reserved"
        )

    def test_a_prepaid_order_is_paid_as_soon_as_it_is_reserved(self) -> None:
        state = order_state(an_order(prepaid=True))
        order = an_order(prepaid=True, **{**PAID, "version": 2, "paid_at": LATER})
        event = paid(prepaid=True, version=2, paid_at=LATER)

        assert decide.note_reserved(state, message(reserved((TEA, "default", 2)), time=LATER)) == Decision(
            state.with_orders(order), (event,), "paid"
        )

    def test_an_order_without_stock_is_rejected_with_the_missing_products(self) -> None:
        state = order_state(an_order())
        detail = "product 501: 2 requested, 1 available; product 502: 3 requested, 0 available"
        event = OrderRejected(shop_id=SHOP, order_id=ORDER, version=2, reason="stock_short", detail=detail)

        assert decide.reject(state, message(short((TEA, 2, 1), (CUP, 3, 0)))) == Decision(
            state.with_orders(an_order(**REJECTED)), (event,), "rejected"
        )

    @pytest.mark.parametrize("order", [an_order(**PAID), an_order(**CANCELLED), an_order(**REJECTED)])
    def test_a_late_answer_changes_nothing(self, order: Order) -> None:
        state = order_state(order)
        nothing = Decision(state, outcome=f"already_{order.status}")

        assert decide.note_reserved(state, message(reserved())) == nothing
        assert decide.reject(state, message(short((TEA, 2, 1)))) == nothing

    def test_a_repeated_reservation_changes_nothing(self) -> None:
        state = order_state(an_order(**RESERVED))

        assert decide.note_reserved(state, message(reserved())) == Decision(state, outcome="already_pending")

    def test_an_answer_that_overtakes_its_order_is_retried(self) -> None:
        assert decide.note_reserved(order_state(), message(reserved())) == NotYet("order_unknown")
        assert decide.reject(order_state(), message(short((TEA, 2, 1)))) == NotYet("order_unknown")


class TestPayment:
    def test_a_reserved_order_is_paid_when_the_shop_reports_it(self) -> None:
        state = order_state(an_order(**RESERVED))

        assert decide.update_status(state, message(update("paid"))) == Decision(
            state.with_orders(an_order(**PAID)), (paid(version=3),), "paid"
        )

    def test_a_payment_before_the_reservation_is_noted_until_the_reservation(self) -> None:
        state = order_state(an_order())
        noted = an_order(version=2, prepaid=True, paid_at=NOW, received_at=NOW)

        first = decide.update_status(state, message(update("paid")))
        assert first == Decision(state.with_orders(noted), outcome="payment_noted")

        order = an_order(prepaid=True, received_at=NOW, **PAID)
        assert decide.note_reserved(first.state, message(reserved(), time=LATER)) == Decision(
            state.with_orders(order), (paid(version=3, prepaid=True),), "paid"
        )

    @pytest.mark.parametrize(
        ("order", "outcome"),
        [
            (an_order(prepaid=True), "already_pending"),
            (an_order(**PAID), "already_paid"),
            (an_order(**SHIPPED), "already_shipped"),
            (an_order(**COMPLETED), "already_completed"),
        ],
    )
    def test_a_repeated_payment_changes_nothing(self, order: Order, outcome: str) -> None:
        state = order_state(order)

        assert decide.update_status(state, message(update("paid"))) == Decision(state, outcome=outcome)


class TestShipmentAndReceipt:
    def test_a_paid_order_ships(self) -> None:
        state = order_state(an_order(**PAID))

        assert decide.update_status(state, message(update("shipped"))) == Decision(
            state.with_orders(an_order(**SHIPPED)), (shipped(version=4),), "shipped"
        )

    def test_a_shipped_order_completes(self) -> None:
        state = order_state(an_order(**SHIPPED))

        assert decide.update_status(state, message(update("completed"))) == Decision(
            state.with_orders(an_order(**COMPLETED)), (completed(version=5),), "completed"
        )

    @pytest.mark.parametrize("order", [an_order(), an_order(**RESERVED), an_order(prepaid=True)])
    def test_a_shipment_before_the_payment_is_retried_then_refused(self, order: Order) -> None:
        state = order_state(order)
        detail = f"order {KEY} is not paid, so it cannot ship."
        otherwise = status_refused("shipped", "not_paid", detail, state)

        assert decide.update_status(state, message(update("shipped"))) == NotYet("not_paid", otherwise)

    @pytest.mark.parametrize("order", [an_order(), an_order(**PAID)])
    def test_a_receipt_before_the_shipment_is_retried_then_refused(self, order: Order) -> None:
        state = order_state(order)
        detail = f"order {KEY} has not shipped, so it cannot be complete."
        otherwise = status_refused("completed", "not_shipped", detail, state)

        assert decide.update_status(state, message(update("completed"))) == NotYet("not_shipped", otherwise)

    @pytest.mark.parametrize(
        ("order", "status", "outcome"),
        [
            (an_order(**SHIPPED), "shipped", "already_shipped"),
            (an_order(**COMPLETED), "shipped", "already_completed"),
            (an_order(**COMPLETED), "completed", "already_completed"),
        ],
    )
    def test_an_earlier_status_changes_nothing(self, order: Order, status: str, outcome: str) -> None:
        state = order_state(order)

        assert decide.update_status(state, message(update(status))) == Decision(state, outcome=outcome)


class TestCancellation:
    @pytest.mark.parametrize(
        ("before", "was_reserved", "was_paid"),
        [
            (an_order(), False, False),
            (an_order(version=2, prepaid=True, paid_at=NOW), False, False),
            (an_order(**RESERVED), True, False),
            (an_order(**PAID), True, True),
        ],
        ids=["pending", "payment noted", "reserved", "paid"],
    )
    def test_an_unshipped_order_is_cancelled(self, before: Order, was_reserved: bool, was_paid: bool) -> None:
        state = order_state(before)
        version = before.version + 1
        after = replace(before, version=version, status="cancelled", due_at=None, reason="cancelled_by_shop")
        event = cancelled(version=version, was_reserved=was_reserved, was_paid=was_paid, net_total=Decimal("90.00"))

        assert decide.update_status(state, message(update("cancelled"))) == Decision(
            state.with_orders(after), (event,), "cancelled"
        )

    @pytest.mark.parametrize("order", [an_order(**SHIPPED), an_order(**COMPLETED)])
    def test_a_shipped_order_is_not_cancelled(self, order: Order) -> None:
        state = order_state(order)
        detail = f"order {KEY} has shipped already; request a refund instead."

        assert decide.update_status(state, message(update("cancelled"))) == status_refused(
            "cancelled", "already_shipped", detail, state
        )


class TestAfterTheEnd:
    @pytest.mark.parametrize("order", [an_order(**REJECTED), an_order(**CANCELLED)])
    def test_a_cancellation_changes_nothing(self, order: Order) -> None:
        state = order_state(order)

        assert decide.update_status(state, message(update("cancelled"))) == Decision(
            state, outcome=f"already_{order.status}"
        )

    @pytest.mark.parametrize("status", ["paid", "shipped", "completed"])
    @pytest.mark.parametrize("order", [an_order(**REJECTED), an_order(**CANCELLED)])
    def test_any_other_status_is_refused_with_the_end_of_the_order(self, order: Order, status: str) -> None:
        state = order_state(order)
        detail = f"order {KEY} was {order.status} ({order.reason}); it cannot become {status}."

        assert decide.update_status(state, message(update(status))) == status_refused(
            status, f"order_{order.status}", detail, state
        )


def test_a_status_that_overtakes_its_order_is_retried_then_refused() -> None:
    state = order_state()
    detail = f"order {KEY} was never accepted; place it first."
    otherwise = status_refused("paid", "order_unknown", detail, state)

    assert decide.update_status(state, message(update("paid"))) == NotYet("order_unknown", otherwise)


class TestDeadline:
    def test_an_order_that_was_not_paid_in_time_is_cancelled(self) -> None:
        state = order_state(an_order(**RESERVED))
        order = an_order(reserved=True, version=3, status="cancelled", reason="payment_overdue")
        event = cancelled(version=3, was_reserved=True, was_paid=False, reason="payment_overdue")

        assert decide.cancel_overdue(state, message(tick(NOW + HALF_AN_HOUR))) == Decision(
            state.with_orders(order), (event,), "cancelled_overdue"
        )

    def test_every_order_that_is_due_is_cancelled_and_no_other(self) -> None:
        due = [an_order("1", **RESERVED), an_order("2", **{**RESERVED, "due_at": NOW})]
        others = [
            an_order("3", **{**RESERVED, "due_at": NOW + HALF_AN_HOUR + timedelta(milliseconds=1)}),
            an_order("4"),
            an_order("5", **PAID),
            an_order("6", **CANCELLED),
            an_order("7", status="shipped", due_at=NOW),
        ]
        decision = decide.cancel_overdue(order_state(*due, *others), message(tick(NOW + HALF_AN_HOUR)))

        assert [event.order_id for event in decision.publish] == ["1", "2"]
        assert decision.state == order_state(
            *(o.becomes(status="cancelled", due_at=None, reason="payment_overdue") for o in due), *others
        )

    def test_a_tick_before_the_deadline_changes_nothing(self) -> None:
        state = order_state(an_order(**RESERVED))
        before = NOW + HALF_AN_HOUR - timedelta(milliseconds=1)

        assert decide.cancel_overdue(state, message(tick(before))) == Decision(state, outcome="nothing_due")


# Any interleaving.

STEPS: dict[str, set[str]] = {
    "none": {"pending"},
    "pending": {"pending", "paid", "rejected", "cancelled"},
    "paid": {"paid", "shipped", "cancelled", "refunded"},
    "shipped": {"shipped", "completed", "refunded"},
    "completed": {"completed", "refunded"},
    "rejected": set(),
    "cancelled": set(),
    "refunded": set(),
}
TRIES_MAX = 4


def messages_of_one_order(*, prepaid: bool, enough: bool) -> dict[str, tuple[Any, Any]]:
    """Every message that can concern one order, with its rule."""
    answer = (decide.note_reserved, reserved()) if enough else (decide.reject, short((TEA, 2, 1)))
    return {
        "place": (decide.place, place(prepaid=prepaid)),
        "answer": answer,
        **{status: (decide.update_status, update(status)) for status in ("paid", "shipped", "completed", "cancelled")},
        "refund": (decide.refund, refund(a_refund_line(quantity=2))),
        "after-sale": (decide.change_after_sale, after_sale()),
        "early tick": (decide.cancel_overdue, tick(NOW)),
        "late tick": (decide.cancel_overdue, tick(NOW + HALF_AN_HOUR)),
    }


def is_consistent(order: Order) -> bool:
    """Whether the status and the other fields agree."""
    match order.status:
        case "pending":
            return order.completed_at is None and order.reason is None and order.reserved == (order.due_at is not None)
        case "paid" | "shipped" | "completed":
            is_received = order.completed_at is not None
            is_paid = order.reserved and order.paid_at is not None and order.due_at is None
            return is_paid and (order.status == "completed") == is_received
        case "refunded":
            return order.is_refunded and order.paid_at is not None
        case _:
            return order.reason is not None and order.due_at is None


names = list(messages_of_one_order(prepaid=False, enough=True))


@given(st.lists(st.sampled_from(names), max_size=24), st.permutations(names), st.booleans(), st.booleans())
def test_any_interleaving_stays_legal_and_publishes_each_event_once(
    repeats: list[str], all_of_them: list[str], prepaid: bool, enough: bool
) -> None:
    known = messages_of_one_order(prepaid=prepaid, enough=enough)
    waiting = deque((name, 1) for name in (*repeats, *all_of_them))
    state = order_state()
    published: Counter[str] = Counter()
    versions: list[int] = []
    while waiting:
        name, attempt = waiting.popleft()
        rule, payload = known[name]
        answer = rule(state, message(payload, time=NOW))
        if isinstance(answer, NotYet):
            if attempt < TRIES_MAX:
                waiting.append((name, attempt + 1))
                continue
            answer = answer.otherwise or Decision(state)
        before, after = state.orders.get(KEY), answer.state.orders.get(KEY)
        if after != before:
            assert after is not None
            assert after.status in STEPS[before.status if before else "none"]
            assert after.version == (before.version if before else 0) + 1
            assert is_consistent(after)
        published.update(event.message_type for event in answer.publish if "refused" not in event.message_type)
        versions += [event.version for event in answer.publish if hasattr(event, "version")]
        state = answer.state
    assert published.total() == len(published)
    assert versions == sorted(set(versions))
    order = state.orders[KEY]
    last = {"paid": "order.paid.v1", "shipped": "order.shipped.v1", "completed": "order.completed.v1"}
    assert order.status not in last or published[last[order.status]] == 1
    assert ("order.cancelled.v1" in published) == (order.status == "cancelled")
    assert ("order.rejected.v1" in published) == (order.status == "rejected")
    assert ("order.refunded.v1" in published) == (order.status == "refunded")


IN_EVERY_STATE = [
    order_state(),
    *(order_state(an_order(**f)) for f in ({}, RESERVED, PAID, SHIPPED, COMPLETED, REJECTED, CANCELLED)),
]


@pytest.mark.parametrize("name", names)
@pytest.mark.parametrize(
    "state", IN_EVERY_STATE, ids=lambda state: next((o.status for o in state.orders.values()), "new")
)
def test_handled_twice_equals_once(state: State, name: str) -> None:
    rule, payload = messages_of_one_order(prepaid=False, enough=True)[name]
    cause = message(payload, time=NOW)
    once = rule(state, cause)
    if isinstance(once, NotYet):
        assert once.otherwise is None or once.otherwise.state == state
        return
    twice = rule(once.state, cause)

    assert twice.state == once.state
    # A refusal may be published again, since its sender sent the command again; nothing else is.
    assert twice.publish == (once.publish if once.outcome == "refused" else ())


def test_paid_at_is_the_time_of_the_payment_not_of_the_reservation() -> None:
    first: datetime = NOW
    state = decide.update_status(order_state(an_order()), message(update("paid"), time=first)).state

    assert decide.note_reserved(state, message(reserved(), time=LATER)).state.orders[KEY].paid_at == first
