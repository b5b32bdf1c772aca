"""Routes and silences: what their commands change, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.alert_routing.v1 import (
    DefineRoute,
    EndSilence,
    RemoveRoute,
    RouteDefined,
    RouteRefused,
    RouteRemoved,
    RouteTested,
    SilenceCreated,
    SilenceEnded,
    SilenceRefused,
    TestRoute,
)
from contracts.notifications.quiet_hours import QuietHours
from contracts.notifications.v1 import NotificationDue, RouteRecovered
from contracts.notifications.view import Filter, Revision, Route, Silence
from contracts.wire.decision import Decision
from tests.builders import NOW, message
from tests.notices import BY_MAIL, a_route, a_silence
from tests.unit.noticed import a_notice, a_stored_route, state_with
from workers.notification.model import State
from workers.notification.routes import REVISIONS_MAX, ROUTES_MAX, define_route, remove_route
from workers.notification.routes import test_route as send_test
from workers.notification.silences import SILENCES_MAX, create_silence, end_silence, silence_of

LATER = NOW + timedelta(hours=1)
REMOVE = RemoveRoute(route_id="warehouse", by="li.na", os_user="root")
TEST = TestRoute(route_id="warehouse", by="li.na", os_user="root")
SILENCE = Silence("stocktaking", Filter(kinds=("stock_low",)), "Stocktaking.", "li.na", NOW, LATER)


def reason_of(decision: Decision[State]) -> str:
    [refused] = decision.publish
    assert isinstance(refused, RouteRefused | SilenceRefused)
    assert decision.outcome == "refused"
    return refused.reason


class TestDefinition:
    def test_it_is_kept_as_defined(self) -> None:
        quiet = QuietHours(begins="22:00", ends="07:00")
        given: dict[str, Any] = {
            "kinds": ("stock_low",),
            "shops": ("shop-1",),
            "markets": ("east",),
            "severity_min": "warning",
            "language": "zh",
            "group_by": ("market",),
            "group_wait_s": 1,
            "group_interval_s": 2,
            "repeat_after_s": 3,
            "budget_per_min": 4,
            "quiet_hours": quiet,
            "escalate_to": "boss",
            "escalate_after_s": 60,
        }
        route = Route(
            "warehouse",
            "active",
            1,
            Filter(("stock_low",), ("shop-1",), ("east",), "warning"),
            BY_MAIL,
            "li.na",
            NOW,
            "zh",
            ("market",),
            1,
            2,
            3,
            4,
            quiet,
            "boss",
            60,
        )
        before = state_with(a_stored_route("boss"))
        event = RouteDefined(route_id="warehouse", revision=1, by="li.na", defined_at=NOW)

        assert define_route(before, message(a_route(**given))) == Decision(
            before.with_route(route), (event,), "defined"
        )

    def test_defined_again_it_keeps_its_former_filters_and_how_it_stands(self) -> None:
        known = a_stored_route(
            is_failing=True, crossing=3, last_code="gone", last_detail="…", last_failed_at=NOW, budget_until=NOW
        )
        decision = define_route(state_with(known), message(a_route(kinds=("stock_low",)), time=LATER))

        route = decision.state.routes["warehouse"]
        assert route == replace(
            known,
            revision=2,
            filter=Filter(kinds=("stock_low",)),
            changed_at=LATER,
            earlier=(Revision(1, Filter()),),
        )

    def test_the_oldest_filters_are_given_up(self) -> None:
        many = tuple(Revision(number, Filter()) for number in range(REVISIONS_MAX))
        decision = define_route(state_with(a_stored_route(earlier=many)), message(a_route()))

        assert len(decision.state.routes["warehouse"].earlier) == REVISIONS_MAX

    def test_there_is_a_limit_of_routes(self) -> None:
        full = state_with(*(a_stored_route(f"r-{number}") for number in range(ROUTES_MAX)))

        assert reason_of(define_route(full, message(a_route()))) == "too_many_routes"
        assert define_route(full, message(a_route("r-1"))).outcome == "defined"

    @pytest.mark.parametrize("target", [None, replace(a_stored_route("boss"), state="removed")])
    def test_it_escalates_only_to_an_active_route(self, target: Route | None) -> None:
        state = state_with(a_stored_route(), *([target] if target else []))

        assert reason_of(define_route(state, message(a_route(escalate_to="boss")))) == "unknown_escalation"

    def test_it_does_not_escalate_to_itself(self) -> None:
        with pytest.raises(ValueError, match="name another route"):
            DefineRoute.model_validate({**a_route().model_dump(), "escalate_to": "warehouse"})


class TestRemoval:
    def test_it_stays_readable(self) -> None:
        event = RouteRemoved(route_id="warehouse", by="li.na", os_user="root", removed_at=LATER)

        assert remove_route(state_with(), message(REMOVE, time=LATER)) == Decision(
            state_with(replace(a_stored_route(), state="removed", changed_at=LATER)), (event,), "removed"
        )

    def test_the_alert_that_it_fails_ends(self) -> None:
        decision = remove_route(state_with(a_stored_route(is_failing=True, crossing=3)), message(REMOVE))

        assert decision.publish[1:] == (RouteRecovered(route_id="warehouse", crossing=4),)
        assert not decision.state.routes["warehouse"].is_failing

    def test_a_route_that_others_escalate_to_is_in_use(self) -> None:
        state = state_with(a_stored_route(), a_stored_route("boss", escalate_to="warehouse"))

        assert reason_of(remove_route(state, message(REMOVE))) == "route_in_use"

    @pytest.mark.parametrize("state", [State(), state_with(replace(a_stored_route(), state="removed"))])
    def test_a_route_that_is_not_there_can_be_neither_removed_nor_tested(self, state: State) -> None:
        assert reason_of(remove_route(state, message(REMOVE))) == "unknown_route"
        assert reason_of(send_test(state, message(TEST))) == "unknown_route"


def test_a_test_is_sent_at_once() -> None:
    decision = send_test(state_with(), message(TEST))

    [notification] = decision.state.notifications.values()
    tested, due = decision.publish
    assert tested == RouteTested(
        route_id="warehouse", notification_id=notification.notification_id, by="li.na", os_user="root"
    )
    assert isinstance(due, NotificationDue)
    assert (due.reason, due.channel, due.attempt, due.items[0].kind) == ("test", BY_MAIL, 1, "route_test")
    assert (notification.state, notification.attempted_at) == ("sending", NOW)


class TestSilences:
    def test_it_is_kept(self) -> None:
        event = SilenceCreated(silence_id="stocktaking", until=LATER, reason="Stocktaking.", by="li.na", created_at=NOW)
        decision = create_silence(State(), message(a_silence(LATER)))

        assert decision == Decision(State(silences={"stocktaking": SILENCE}), (event,), "created")
        again = create_silence(decision.state, message(a_silence(LATER), time=LATER))
        assert again == Decision(decision.state, outcome="duplicate")

    def test_its_id_is_used_once(self) -> None:
        state = State(silences={"stocktaking": SILENCE})

        other = a_silence(LATER, kinds=("dead_letter",))
        assert reason_of(create_silence(state, message(other))) == "conflicting_reference"

    @pytest.mark.parametrize("until", [NOW, NOW - timedelta(hours=1), NOW + timedelta(days=30, seconds=1)])
    def test_it_ends_within_30_days(self, until: object) -> None:
        assert reason_of(create_silence(State(), message(a_silence(until)))) == "silence_time"  # type: ignore[arg-type]

    def test_it_names_something(self) -> None:
        assert reason_of(create_silence(State(), message(a_silence(LATER, kinds=())))) == "silence_too_broad"
        one = a_silence(LATER, kinds=(), alert="stock/501")
        assert create_silence(State(), message(one)).outcome == "created"

    def test_there_is_a_limit_of_those_that_hold(self) -> None:
        full = State(silences={str(n): replace(SILENCE, silence_id=str(n)) for n in range(SILENCES_MAX)})

        assert reason_of(create_silence(full, message(a_silence(LATER)))) == "too_many_silences"
        over = message(a_silence(LATER + timedelta(hours=2)), time=LATER)
        assert create_silence(full, over).outcome == "created"

    def test_it_can_be_ended_once(self) -> None:
        command = message(EndSilence(silence_id="stocktaking", by="bob", os_user="root"))
        state = State(silences={"stocktaking": SILENCE})
        event = SilenceEnded(silence_id="stocktaking", by="bob", os_user="root", ended_at=NOW)
        ended = State(silences={"stocktaking": replace(SILENCE, ends_at=NOW, ended_by="bob")})

        assert end_silence(state, command) == Decision(ended, (event,), "ended")
        assert end_silence(ended, command) == Decision(ended, outcome="duplicate")
        assert reason_of(end_silence(State(), command)) == "unknown_silence"

    def test_the_one_that_holds_for_the_longest_time_is_named(self) -> None:
        longer = replace(SILENCE, silence_id="longer", ends_at=LATER + timedelta(hours=1))
        others = (
            replace(SILENCE, alert="stock/502", ends_at=LATER + timedelta(hours=9)),
            replace(SILENCE, filter=Filter(kinds=("dead_letter",)), ends_at=LATER + timedelta(hours=9)),
            replace(SILENCE, created_at=LATER, ends_at=LATER + timedelta(hours=9)),
        )

        assert silence_of((SILENCE, longer, *others), a_notice(), NOW) == longer
        assert silence_of((SILENCE,), a_notice(), LATER) is None
