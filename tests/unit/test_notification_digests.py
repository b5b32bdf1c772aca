"""What a tick sends: digests, repeats and escalations; what quiet hours, silences and budgets do to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.alert_routing.v1 import AcknowledgeAlert
from contracts.notifications.quiet_hours import QuietHours
from contracts.notifications.v1 import ITEMS_MAX, NotificationDue
from contracts.notifications.view import Filter, Notice, Route, Silence
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload
from tests.builders import NOW, message, tick
from tests.notices import raised, resolved
from tests.unit.noticed import ALERT, GROUP, a_stored_route, as_sent, fold, reasons, state_with
from workers.notification.deliveries import budget_left, room_at, spend
from workers.notification.digests import send_due
from workers.notification.model import Reading, State

WAITED = NOW + timedelta(seconds=30)
REPEATED = NOW + timedelta(hours=4)
ESCALATED = NOW + timedelta(minutes=30)
ACKNOWLEDGE = AcknowledgeAlert(alert=ALERT, by="li.na")


def waiting(*payloads: Payload, routes: Iterable[Route] = (), silences: Iterable[Silence] = ()) -> State:
    """After these messages, as a tick reads it."""
    return as_read(fold(state_with(*routes), *payloads).state, *silences)


def as_read(state: State, *silences: Silence, has_more: bool = False) -> State:
    """Every group with all its notices, as a tick would read them, were everything due."""

    def ids(notices: Iterable[Notice], group_id: str) -> tuple[str, ...]:
        return tuple(notice.notice_id for notice in notices if notice.group_id == group_id)

    notices = list(state.notices.values())
    due = {
        group_id: Reading(
            ids((notice for notice in notices if notice.state == "waiting"), group_id),
            ids((notice for notice in notices if notice.is_open and notice.state != "waiting"), group_id),
            False,
            ids((notice for notice in notices if notice.is_open and notice.escalates), group_id),
            has_more,
        )
        for group_id in state.groups
    }
    return replace(state, due=due, silences={silence.silence_id: silence for silence in silences})


def send(state: State, at: datetime = WAITED) -> Decision[State]:
    return send_due(state, message(tick(at)))


def sent_and_read(state: State, *silences: Silence, at: datetime = WAITED) -> State:
    """After a tick that sent it, as the next one reads it."""
    return as_read(send(state, at).state, *silences)


def dues(decision: Decision[State]) -> list[NotificationDue]:
    return [event for event in decision.publish if isinstance(event, NotificationDue)]


def a_silence(until: datetime, *, since: datetime = NOW, alert: str | None = None) -> Silence:
    return Silence(f"s-{alert}", Filter(kinds=("stock_low",)), "Stocktaking.", "li.na", since, until, alert=alert)


class TestFlush:
    def test_before_its_group_has_waited_nothing_is_sent(self) -> None:
        state = waiting(raised())

        assert send(state, WAITED - timedelta(seconds=1)) == Decision(state, outcome="nothing_due")

    def test_it_is_sent_once(self) -> None:
        decision = send(waiting(raised()))

        [due], [notice] = dues(decision), decision.state.notices.values()
        [notification] = decision.state.notifications.values()
        assert decision.outcome == "sent"
        assert (due.reason, due.thread, due.more, [item.alert for item in due.items]) == (
            "raised",
            "stock_low/-",
            0,
            [ALERT],
        )
        assert (notice.state, notice.notification_id, notice.sent_at) == ("sent", due.notification_id, WAITED)
        assert (notification.notification_id, notification.state) == (due.notification_id, "sending")
        group = decision.state.groups[GROUP]
        assert (group.waiting, group.flush_at, group.flushed_at) == (0, None, WAITED)
        assert (group.repeat_at, group.escalate_at) == (WAITED + timedelta(hours=4), None)
        assert send(decision.state) == Decision(decision.state, outcome="nothing_due")

    def test_the_most_urgent_and_oldest_come_first_and_the_rest_is_counted(self) -> None:
        alerts = [raised(f"stock/{n}", at=NOW - timedelta(minutes=n)) for n in range(ITEMS_MAX + 5)]
        route = a_stored_route(group_by=())
        [due] = dues(send(waiting(*alerts, raised("a", severity="info"), routes=[route])))

        assert (due.more, due.thread) == (6, "all")
        assert [item.alert for item in due.items] == [f"stock/{n}" for n in range(ITEMS_MAX + 4, 4, -1)]

    def test_what_was_not_read_stays_waiting_and_due(self) -> None:
        state = fold(state_with(), raised("stock/1"), raised("stock/2")).state
        unread = list(state.notices)[1]
        read = as_read(state, has_more=True)
        reading = replace(read.due[GROUP], waiting=read.due[GROUP].waiting[:1])
        after = send(replace(read, due={GROUP: reading})).state

        assert (after.notices[unread].state, after.groups[GROUP].waiting, after.groups[GROUP].flush_at) == (
            "waiting",
            1,
            WAITED,
        )

    def test_an_end_is_sent_and_not_repeated(self) -> None:
        state = waiting(raised(), routes=[a_stored_route(repeat_after_s=0)])
        ended = fold(send(state).state, resolved(), at=WAITED).state
        [due] = dues(send(as_read(ended), NOW + timedelta(hours=1)))

        assert due.reason == "resolved"
        assert send(as_read(ended), NOW + timedelta(hours=1)).state.groups[GROUP].repeat_at is None

    def test_a_route_that_was_removed_or_changed_suppresses_it(self) -> None:
        state = fold(state_with(), raised()).state
        removed = send(as_read(state.with_route(replace(a_stored_route(), state="removed"))))
        changed = send(as_read(state.with_route(a_stored_route(filter=Filter(shops=("shop-1",))))))

        assert (reasons(removed), removed.outcome) == (["route_removed"], "suppressed")
        assert (reasons(changed), changed.outcome) == (["route_changed"], "suppressed")
        assert all(decision.state.groups[GROUP].due_at is None for decision in (removed, changed))

    def test_a_removed_route_repeats_nothing(self) -> None:
        state = send(waiting(raised())).state.with_route(replace(a_stored_route(), state="removed"))

        assert send(as_read(state), REPEATED + timedelta(hours=1)).state.groups[GROUP].due_at is None


class TestQuiet:
    NIGHT = QuietHours(begins="09:00", ends="11:00")

    def test_everything_is_put_off_until_their_end(self) -> None:
        route = a_stored_route(quiet_hours=self.NIGHT, escalate_to="boss")
        state = waiting(raised(), routes=[route])
        group = replace(state.groups[GROUP], repeat_at=NOW)
        after = send(state.with_groups(group)).state

        eleven = NOW.replace(hour=11, minute=0)
        assert after.groups[GROUP] == replace(group, flush_at=eleven, repeat_at=eleven)
        assert len(dues(send(as_read(after), eleven))) == 1

    def test_what_is_critical_passes(self) -> None:
        state = waiting(raised(severity="critical"), routes=[a_stored_route(quiet_hours=self.NIGHT)])

        assert len(dues(send(state))) == 1


class TestSilence:
    def test_it_suppresses_and_looks_again_at_its_end_or_within_an_hour(self) -> None:
        for until, again in ((NOW + timedelta(minutes=5), 300), (NOW + timedelta(days=5), 3630)):
            decision = send(waiting(raised(), silences=[a_silence(until)]))
            [notice] = decision.state.notices.values()
            assert (reasons(decision), notice.reason, notice.silence_id) == (["silenced"], "silenced", "s-None")
            assert notice.is_open
            assert decision.state.groups[GROUP].due_at == NOW + timedelta(seconds=again)

    def test_an_end_that_is_silenced_is_over(self) -> None:
        state = fold(send(waiting(raised(), routes=[a_stored_route(repeat_after_s=0)])).state, resolved()).state
        later = NOW + timedelta(hours=1)
        decision = send(as_read(state, a_silence(later + timedelta(hours=1))), later)

        assert (reasons(decision), decision.state.groups[GROUP].due_at) == (["silenced"], None)

    def test_the_others_of_the_group_are_sent(self) -> None:
        state = waiting(raised(), raised("stock/502"), silences=[a_silence(REPEATED, alert=ALERT)])

        [due] = dues(send(state))
        assert [item.alert for item in due.items] == ["stock/502"]

    def test_what_is_open_at_its_end_is_sent_then(self) -> None:
        until = NOW + timedelta(minutes=5)
        held = send(
            waiting(
                raised(),
                routes=[a_stored_route(escalate_to="boss"), a_stored_route("boss")],
                silences=[a_silence(until)],
            )
        ).state
        decision = send(as_read(held), until)
        due = next(each for each in dues(decision) if each.route_id == "warehouse")
        notice = next(each for each in decision.state.notices.values() if each.route_id == "warehouse")

        assert due.reason == "raised"
        assert (notice.state, notice.reason, notice.notification_id, notice.escalates) == (
            "sent",
            None,
            due.notification_id,
            True,
        )
        group = decision.state.groups[GROUP]
        assert (group.repeat_at, group.escalate_at) == (until + timedelta(hours=4), until + timedelta(minutes=30))

    def test_what_it_held_back_and_what_waits_are_two_messages(self) -> None:
        until = NOW + timedelta(minutes=5)
        held = send(as_read(fold(state_with(), raised()).state, a_silence(until))).state
        later = fold(held, raised("stock/2", at=until)).state

        decision = send(as_read(later), until + timedelta(minutes=1))

        first, second = dues(decision)
        assert first.notification_id != second.notification_id
        assert {item.alert for due in (first, second) for item in due.items} == {ALERT, "stock/2"}
        for notice in decision.state.notices.values():
            sent_with = decision.state.notifications[notice.notification_id or ""]
            assert notice.item in sent_with.items

    def test_repeats_wait_for_its_end(self) -> None:
        at = WAITED + timedelta(hours=4)
        state = sent_and_read(waiting(raised()), a_silence(at + timedelta(minutes=7)))
        decision = send(state, at)

        assert (decision.publish, decision.state.groups[GROUP].repeat_at) == ((), at + timedelta(minutes=7))

    def test_of_a_repeat_only_what_it_names_is_held(self) -> None:
        at = WAITED + timedelta(hours=4)
        state = sent_and_read(waiting(raised(), raised("stock/502")), a_silence(at + timedelta(minutes=7), alert=ALERT))
        decision = send(state, at)

        [due] = dues(decision)
        assert [item.alert for item in due.items] == ["stock/502"]
        assert decision.state.groups[GROUP].repeat_at == at + timedelta(minutes=7)


class TestRepeat:
    AT = WAITED + timedelta(hours=4)

    def test_an_open_alert_is_sent_again(self) -> None:
        state = sent_and_read(waiting(raised()))
        decision = send(state, self.AT)

        [due] = dues(decision)
        [notice] = decision.state.notices.values()
        assert due.reason == "repeated"
        assert notice == next(iter(state.notices.values())), "the notice keeps its first notification"
        assert decision.state.groups[GROUP].repeat_at == self.AT + timedelta(hours=4)

    @pytest.mark.parametrize("end", [ACKNOWLEDGE, resolved(times=1)])
    def test_with_none_open_it_ends(self, end: Payload) -> None:
        state = as_read(fold(send(waiting(raised())).state, end).state)
        state = state.with_groups(replace(state.groups[GROUP], waiting=0, flush_at=None))

        decision = send(replace(state, due={GROUP: replace(state.due[GROUP], waiting=())}), self.AT)
        assert (decision.publish, decision.state.groups[GROUP].due_at) == ((), None)

    def test_a_route_without_repeats_sends_once(self) -> None:
        after = send(waiting(raised(), routes=[a_stored_route(repeat_after_s=0)])).state

        assert after.groups[GROUP].due_at is None


class TestEscalation:
    ROUTES = (a_stored_route(escalate_to="boss"), a_stored_route("boss", filter=Filter(kinds=("none",))))
    AT = WAITED + timedelta(minutes=30)

    def test_it_goes_by_the_other_route_once(self) -> None:
        state = sent_and_read(waiting(raised(), routes=self.ROUTES))
        assert state.groups[GROUP].escalate_at == self.AT
        decision = send(state, self.AT)

        [due] = dues(decision)
        assert (due.route_id, due.reason) == ("boss", "escalated")
        assert decision.state.groups[GROUP].escalate_at is None
        assert not any(notice.escalates for notice in decision.state.notices.values())
        assert send(as_read(decision.state), self.AT).publish == ()

    def test_later_alerts_escalate_later(self) -> None:
        first = send(waiting(raised(), routes=self.ROUTES)).state
        second = send(as_read(fold(first, raised("stock/502"), at=WAITED).state), NOW + timedelta(minutes=10)).state
        decision = send(as_read(second), self.AT)

        [due] = dues(decision)
        assert [item.alert for item in due.items] == [ALERT]
        assert decision.state.groups[GROUP].escalate_at == NOW + timedelta(minutes=40)

    def test_with_more_to_read_it_stays_due(self) -> None:
        state = send(waiting(raised(), routes=self.ROUTES)).state

        assert send(as_read(state, has_more=True), self.AT).state.groups[GROUP].escalate_at == self.AT

    def test_without_the_other_route_it_goes_by_its_own(self) -> None:
        state = sent_and_read(waiting(raised(), routes=self.ROUTES))
        gone = state.with_route(replace(state.routes["boss"], state="removed"))

        assert [due.route_id for due in dues(send(gone, self.AT))] == ["warehouse"]

    @pytest.mark.parametrize("is_acknowledged", [True, False])
    def test_acknowledged_or_without_a_target_it_ends(self, is_acknowledged: bool) -> None:
        state = send(waiting(raised(), routes=self.ROUTES)).state
        state = fold(state, ACKNOWLEDGE).state if is_acknowledged else state.with_route(a_stored_route())
        decision = send(as_read(state), self.AT)

        assert (decision.publish, decision.state.groups[GROUP].escalate_at) == ((), None)

    def test_it_waits_for_the_end_of_the_other_routes_quiet_hours(self) -> None:
        quiet = QuietHours(begins=f"{self.AT:%H:%M}", ends=f"{self.AT + timedelta(hours=8):%H:%M}")
        boss = replace(self.ROUTES[1], quiet_hours=quiet)
        for severity, at in (("critical", self.AT), ("warning", self.AT + timedelta(hours=8))):
            state = sent_and_read(waiting(raised(severity=severity), routes=(self.ROUTES[0], boss)))
            first = send(state, self.AT)
            [group] = first.state.groups.values()
            if severity == "warning":
                assert ([due.reason for due in dues(first)], group.escalate_at) == ([], at.replace(second=0))
            decision = send(as_read(first.state), at) if severity == "warning" else first

            assert [due.route_id for due in dues(decision) if due.reason == "escalated"] == ["boss"]

    def test_a_silence_puts_it_off(self) -> None:
        first = send(waiting(raised(), routes=self.ROUTES)).state
        second = send(as_read(fold(first, raised("stock/502"), at=WAITED).state), NOW + timedelta(minutes=10)).state
        for until, again in ((self.AT + timedelta(minutes=5), 35.5), (self.AT + timedelta(days=5), 40)):
            decision = send(as_read(second, a_silence(until, alert=ALERT)), self.AT)
            assert decision.publish == ()
            assert decision.state.groups[GROUP].escalate_at == NOW + timedelta(minutes=again)


class TestBudget:
    ALERTS = (raised("stock/1", shop_id="a"), raised("stock/2", shop_id="b"), raised("stock/3", shop_id="c"))

    def test_within_it_each_group_is_a_message(self) -> None:
        decision = send(waiting(*self.ALERTS, routes=[a_stored_route(budget_per_min=3)]))

        assert [due.thread for due in dues(decision)] == ["stock_low/a", "stock_low/b", "stock_low/c"]
        assert len({due.notification_id for due in dues(decision)}) == 3
        assert budget_left(decision.state.routes["warehouse"], WAITED) == 0

    def test_beyond_it_they_are_one(self) -> None:
        decision = send(waiting(*self.ALERTS, routes=[a_stored_route(budget_per_min=2)]))

        [due] = dues(decision)
        assert (due.thread, due.reason, sorted(item.alert for item in due.items)) == (
            "warehouse",
            "raised",
            ["stock/1", "stock/2", "stock/3"],
        )
        assert {notice.notification_id for notice in decision.state.notices.values()} == {due.notification_id}
        assert all(group.waiting == 0 for group in decision.state.groups.values())

    def test_with_nothing_left_they_are_put_off_until_there_is_some(self) -> None:
        route = spend(a_stored_route(), 18, WAITED)
        state = waiting(*self.ALERTS, routes=[route])
        decision = send(state)

        groups = [replace(group, flush_at=room_at(route, WAITED)) for group in state.groups.values()]
        assert decision == Decision(state.with_groups(*groups), outcome="nothing_due")
        assert room_at(route, WAITED) > WAITED

    def test_an_escalation_waits_for_the_budget_of_the_other_route(self) -> None:
        boss = spend(a_stored_route("boss", filter=Filter(kinds=("none",))), 18, ESCALATED)
        routes = [a_stored_route(escalate_to="boss", escalate_after_s=1770), boss]
        decision = send(sent_and_read(waiting(raised(), routes=routes)), ESCALATED)

        assert decision.publish == ()
        assert decision.state.groups[GROUP].escalate_at == room_at(boss, ESCALATED)

    def test_each_route_has_its_own(self) -> None:
        routes = [spend(a_stored_route(), 18, WAITED), a_stored_route("boss")]

        assert [due.route_id for due in dues(send(waiting(raised(), routes=routes)))] == ["boss"]


def test_as_sent_is_what_a_tick_does() -> None:
    """The short way of other tests gives what the rules read of it."""
    state = fold(state_with(), raised()).state
    by_hand, by_tick = as_sent(state, WAITED), send(as_read(state)).state

    [one], [other] = by_hand.notices.values(), by_tick.notices.values()
    assert replace(one, notification_id=other.notification_id) == other
