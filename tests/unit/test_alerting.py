"""Alerts: one for each crossing, in any order of the messages; dead letters with one cause share one alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.operations.view import Alert, DeadLetter
from contracts.stock.v1 import StockLow, StockRecovered, StockShortageChanged
from contracts.wire.decision import Decision
from tests.builders import NOW, TEA, message
from tests.unit.letters import ALERT_KEY, a_letter, dead_lettered
from workers.alerting.decide import keep_dead_letter
from workers.alerting.model import State
from workers.alerting.routes import raise_failing_route, resolve_failing_route
from workers.alerting.stock import note_shortage, raise_low_stock, resolve_low_stock

LATER = NOW + timedelta(minutes=1)
STOCK = f"stock/{TEA}"


def low(crossing: int = 1, available: int = 3) -> StockLow:
    return StockLow(product_id=TEA, available=available, low_at=4, crossing=crossing)


def recovered(crossing: int = 2, available: int = 9) -> StockRecovered:
    return StockRecovered(product_id=TEA, available=available, recovered_at=8, crossing=crossing)


def alert_state(*alerts: Alert, letters: Sequence[DeadLetter] = ()) -> State:
    return State({alert.alert: alert for alert in alerts}, {letter.letter_id: letter for letter in letters})


LOW = "product 501: 3 left, the threshold is 4; order more."
ENOUGH = "product 501: 9 available again."
OPEN = Alert(STOCK, "stock_low", "open", LOW, NOW, crossing=1)
RESOLVED = Alert(STOCK, "stock_low", "resolved", ENOUGH, LATER, crossing=2)


OVERSOLD = f"oversold/{TEA}"
SIX_SHORT = (
    "product 501: 6 units short, 10 reserved and 4 on hand; the newest unpaid orders are cancelled, order more for the "
    "paid ones."
)
SHORT = Alert(OVERSOLD, "stock_oversold", "open", SIX_SHORT, NOW, crossing=1)
COVERED = Alert(
    OVERSOLD,
    "stock_oversold",
    "resolved",
    "product 501: all reserved units are in stock again (4 on hand).",
    NOW,
    crossing=2,
)


def short(shortage: int, crossing: int = 1) -> StockShortageChanged:
    return StockShortageChanged(product_id=TEA, shortage=shortage, on_hand=4, reserved=4 + shortage, crossing=crossing)


def raised_of_tea(key: str, kind: str, detail: str, facts: dict[str, str], **fields: Any) -> AlertRaised:
    given = {"severity": "warning", **fields}
    return AlertRaised(
        alert=key, kind=kind, detail=detail, raised_at=NOW, product_id=TEA, facts=facts, times=1, **given
    )


class TestShortage:
    def test_a_shortage_opens_an_alert_of_its_own(self) -> None:
        facts = {"product_id": "501", "shortage": "6", "reserved": "10", "on_hand": "4"}
        event = raised_of_tea(OVERSOLD, "stock_oversold", SIX_SHORT, facts, severity="critical")

        assert note_shortage(alert_state(OPEN), message(short(6))) == Decision(
            alert_state(OPEN, SHORT), (event,), "raised"
        )

    def test_a_changed_shortage_updates_the_alert_without_an_event(self) -> None:
        decision = note_shortage(alert_state(SHORT), message(short(2, crossing=2)))

        assert (decision.publish, decision.outcome) == ((), "counted")
        [alert] = decision.state.alerts.values()
        assert (alert.state, alert.times, alert.crossing) == ("open", 1, 2)
        assert alert.detail.startswith("product 501: 2 units short, 6 reserved")

    def test_the_alert_is_resolved_once_the_stock_covers_the_reservations(self) -> None:
        event = AlertResolved(
            alert=OVERSOLD,
            kind="stock_oversold",
            detail=COVERED.detail,
            resolved_at=NOW,
            severity="critical",
            product_id=TEA,
            times=1,
            facts={"product_id": "501", "on_hand": "4"},
        )

        assert note_shortage(alert_state(SHORT), message(short(0, 2))) == Decision(
            alert_state(COVERED), (event,), "resolved"
        )
        again = note_shortage(alert_state(COVERED), message(short(6, 3)))
        assert again.state == alert_state(replace(SHORT, times=2, crossing=3))

    @pytest.mark.parametrize("shortage", [0, 6])
    def test_an_outdated_event_is_ignored(self, shortage: int) -> None:
        assert note_shortage(alert_state(COVERED), message(short(shortage))) == Decision(
            alert_state(COVERED), outcome="outdated"
        )

    def test_an_end_that_precedes_its_start_publishes_nothing(self) -> None:
        decision = note_shortage(alert_state(), message(short(0, 2)))

        assert (decision.state, decision.publish) == (alert_state(replace(COVERED, times=0)), ())


class TestStock:
    def test_a_crossing_opens_the_products_alert(self) -> None:
        event = raised_of_tea(STOCK, "stock_low", LOW, {"product_id": "501", "available": "3", "low_at": "4"})

        assert raise_low_stock(alert_state(), message(low())) == Decision(alert_state(OPEN), (event,), "raised")

    def test_a_recovery_resolves_the_alert(self) -> None:
        event = AlertResolved(
            alert=STOCK,
            kind="stock_low",
            detail=ENOUGH,
            resolved_at=LATER,
            severity="warning",
            product_id=TEA,
            times=1,
            facts={"product_id": "501", "available": "9"},
        )

        assert resolve_low_stock(alert_state(OPEN), message(recovered(), time=LATER)) == Decision(
            alert_state(RESOLVED), (event,), "resolved"
        )

    def test_the_next_crossing_reopens_the_alert_and_is_counted(self) -> None:
        decision = raise_low_stock(alert_state(RESOLVED), message(low(crossing=3), time=LATER))

        assert decision.state == alert_state(replace(OPEN, changed_at=LATER, times=2, crossing=3))
        assert [type(event) for event in decision.publish] == [AlertRaised]

    @pytest.mark.parametrize("known", [OPEN, RESOLVED, replace(OPEN, crossing=3)])
    def test_a_repeated_or_older_crossing_is_outdated(self, known: Alert) -> None:
        assert raise_low_stock(alert_state(known), message(low())) == Decision(alert_state(known), outcome="outdated")

    @pytest.mark.parametrize("known", [RESOLVED, replace(OPEN, crossing=3)])
    def test_a_repeated_or_older_recovery_is_outdated(self, known: Alert) -> None:
        assert resolve_low_stock(alert_state(known), message(recovered())) == Decision(
            alert_state(known), outcome="outdated"
        )

    def test_a_recovery_that_overtakes_its_alert_makes_the_alert_outdated(self) -> None:
        first = resolve_low_stock(alert_state(), message(recovered(), time=LATER))

        assert first.state == alert_state(replace(RESOLVED, times=0))
        assert raise_low_stock(first.state, message(low())) == Decision(first.state, outcome="outdated")


@given(st.permutations([1, 2, 3, 4, 5]), st.lists(st.integers(1, 5)))
def test_the_newest_crossing_decides_in_any_order(order: list[int], repeats: list[int]) -> None:
    state, published = alert_state(), []
    for crossing in (*order, *repeats):
        decision = (
            raise_low_stock(state, message(low(crossing)))
            if crossing % 2
            else resolve_low_stock(state, message(recovered(crossing)))
        )
        state = decision.state
        published += [crossing for _ in decision.publish]

    assert (state.alerts[STOCK].state, state.alerts[STOCK].crossing) == ("open", 5)
    assert published == sorted(set(published))


BROKEN = "order_intake.order.place could not handle a message (handler_error): KeyError: 7"


class TestDeadLetters:
    ALERT = Alert(ALERT_KEY, "dead_letter", "open", BROKEN, NOW)

    def test_the_first_letter_of_a_queue_and_cause_raises_an_alert(self) -> None:
        facts = {"queue": "order_intake.order.place", "reason": "handler_error", "detail": "KeyError: 7"}
        event = AlertRaised(
            alert=ALERT_KEY, kind="dead_letter", detail=BROKEN, raised_at=NOW, severity="warning", facts=facts, times=1
        )

        assert keep_dead_letter(alert_state(), message(dead_lettered(), id="l-1")) == Decision(
            alert_state(self.ALERT, letters=[a_letter("l-1")]), (event,), "raised"
        )

    def test_further_letters_are_stored_and_counted(self) -> None:
        state = alert_state(self.ALERT, letters=[a_letter("l-1")])
        after = alert_state(replace(self.ALERT, seen=2), letters=[a_letter("l-1"), a_letter("l-2", message_id="m-2")])

        assert keep_dead_letter(state, message(dead_lettered(message_id="m-2"), id="l-2")) == Decision(
            after, outcome="counted"
        )

    @pytest.mark.parametrize("fields", [{"reason": "unknown_field"}, {"queue": "order_intake.clock"}])
    def test_another_cause_or_queue_raises_another_alert(self, fields: dict[str, str]) -> None:
        decision = keep_dead_letter(alert_state(self.ALERT), message(dead_lettered(**fields), id="l-2"))

        assert (decision.outcome, len(decision.state.alerts)) == ("raised", 2)

    def test_a_resolved_alert_is_raised_again(self) -> None:
        resolved = replace(self.ALERT, state="resolved", seen=7)

        decision = keep_dead_letter(alert_state(resolved), message(dead_lettered(), id="l-9", time=LATER))

        assert decision.outcome == "raised"
        assert decision.state.alerts[ALERT_KEY] == replace(self.ALERT, times=2, changed_at=LATER)

    def test_a_letter_counts_once_even_after_its_replay(self) -> None:
        state = alert_state(self.ALERT, letters=[a_letter("l-1", state="replayed")])

        assert keep_dead_letter(state, message(dead_lettered(), id="l-1")) == Decision(state, outcome="duplicate")


def test_handled_twice_equals_once() -> None:
    cases: list[tuple[Any, Any, Any, str]] = [
        (raise_low_stock, alert_state(), low(), "outdated"),
        (resolve_low_stock, alert_state(OPEN), recovered(), "outdated"),
        (keep_dead_letter, alert_state(), dead_lettered(), "duplicate"),
    ]
    for rule, state, payload, outcome in cases:
        once = rule(state, message(payload)).state
        assert rule(once, message(payload)) == Decision(once, outcome=outcome)


ROUTE = "route/warehouse"
REFUSED = "route warehouse: notifications are not delivered (gone): The robot was removed."
FAILING = Alert(ROUTE, "route_failing", "open", REFUSED, NOW, crossing=1)


def failing(crossing: int = 1) -> RouteFailing:
    return RouteFailing(route_id="warehouse", code="gone", detail="The robot was removed.", crossing=crossing)


class TestRoutes:
    def test_a_failing_route_raises_a_critical_alert_once(self) -> None:
        event = AlertRaised(
            alert=ROUTE,
            kind="route_failing",
            detail=REFUSED,
            raised_at=NOW,
            severity="critical",
            facts={"route_id": "warehouse", "code": "gone", "detail": "The robot was removed."},
            times=1,
        )

        assert raise_failing_route(alert_state(), message(failing())) == Decision(
            alert_state(FAILING), (event,), "raised"
        )
        assert raise_failing_route(alert_state(FAILING), message(failing())) == Decision(
            alert_state(FAILING), outcome="outdated"
        )
        again = raise_failing_route(alert_state(FAILING), message(failing(3)))
        assert again.state == alert_state(replace(FAILING, times=2, crossing=3))

    @pytest.mark.parametrize("known", [(FAILING,), ()])
    def test_its_recovery_ends_it_in_any_order(self, known: tuple[Alert, ...]) -> None:
        recovered = RouteRecovered(route_id="warehouse", crossing=2)
        decision = resolve_failing_route(alert_state(*known), message(recovered))

        [event] = decision.publish
        assert isinstance(event, AlertResolved)
        assert (event.severity, event.times) == ("critical", len(known))
        assert [alert.state for alert in decision.state.alerts.values()] == ["resolved"]
        for late in (
            raise_failing_route(decision.state, message(failing())),
            resolve_failing_route(decision.state, message(recovered)),
        ):
            assert late == Decision(decision.state, outcome="outdated")
