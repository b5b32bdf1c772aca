"""Which routes report a change of an alert, in which order of its messages, and what an acknowledgement ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.alert_routing.v1 import AcknowledgeAlert, AlertAcknowledged, AlertAcknowledgeRefused
from contracts.notifications.quiet_hours import QuietHours, quiet_until
from contracts.notifications.view import Filter
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Payload
from tests.builders import NOW, message
from tests.notices import raised, resolved
from tests.unit.noticed import ALERT, GROUP, a_stored_route, as_sent, fold, reasons, state_with, the_notices
from workers.notification.decide import acknowledge
from workers.notification.model import Group, group_of, thread_of


class TestRaised:
    def test_it_waits_in_the_group_of_each_route_that_matches(self) -> None:
        routes = (a_stored_route(), a_stored_route("boss", filter=Filter(kinds=("dead_letter",))))
        decision = fold(state_with(*routes), raised(shop_id="shop-1", market="east", facts={"left": "3"}))

        state, [notice] = decision.state, decision.state.notices.values()
        assert (decision.publish, decision.outcome) == ((), "raised")
        assert (notice.route_id, notice.state, notice.is_open) == ("warehouse", "waiting", True)
        assert (notice.item.detail, notice.item.severity, notice.item.facts) == (
            "stock/501 is low.",
            "warning",
            {"left": "3"},
        )
        due = NOW + timedelta(seconds=30)
        thread = "stock_low/shop-1"
        assert list(state.groups.values()) == [Group(f"warehouse/{thread}", "warehouse", thread, False, 1, due)]
        [change] = state.changes.values()
        assert [seen.route_id for seen in change.seen] == ["boss", "warehouse"]
        assert state.standings[ALERT].routes == ("warehouse",)

    def test_a_repeat_changes_nothing(self) -> None:
        first = fold(state_with(), raised())

        assert fold(first.state, raised()) == Decision(first.state, outcome="duplicate")
        ended = fold(first.state, resolved())
        assert fold(ended.state, resolved()) == Decision(ended.state, outcome="duplicate")

    def test_further_alerts_do_not_put_off_the_group(self) -> None:
        first = fold(state_with(), raised())
        later = fold(first.state, raised("stock/502"), at=NOW + timedelta(seconds=20))

        assert later.state.groups[GROUP] == replace(first.state.groups[GROUP], waiting=2)

    @pytest.mark.parametrize(("sent_s_ago", "wait_s"), [(10, 290), (1000, 30), (-3600, 300)])
    def test_after_a_message_the_interval_holds_and_never_longer(self, sent_s_ago: int, wait_s: int) -> None:
        sent = as_sent(fold(state_with(), raised()).state, NOW - timedelta(seconds=sent_s_ago))
        state = fold(sent, raised("stock/502")).state

        assert state.groups[GROUP].flush_at == NOW + timedelta(seconds=wait_s)

    def test_a_critical_one_has_a_group_of_its_own(self) -> None:
        state = fold(state_with(), raised(), raised("stock/502", severity="critical")).state

        assert sorted(state.groups) == [GROUP, f"{GROUP}!"]

    def test_raised_again_the_former_raise_is_outdated(self) -> None:
        decision = fold(state_with(), raised(times=1), raised(times=2))
        assert (the_notices(decision.state), reasons(decision)) == (
            [("suppressed", "outdated"), ("waiting", None)],
            ["outdated"],
        )
        sent = fold(as_sent(fold(state_with(), raised(times=1)).state), raised(times=2))
        assert [notice.is_open for notice in sent.state.notices.values()] == [False, True]

    @pytest.mark.parametrize(
        ("later", "reason"), [(resolved(times=1), "resolved_before_sent"), (raised(times=2), "outdated")]
    )
    def test_one_that_comes_too_late_is_suppressed(self, later: Payload, reason: str) -> None:
        decision = fold(state_with(), later, raised(times=1))

        assert (reasons(decision), decision.outcome) == ([reason], "outdated")
        assert decision.state.standings == fold(state_with(), later).state.standings

    @pytest.mark.parametrize(("minutes", "outcome"), [(-1, "outdated"), (1, "raised")])
    def test_without_numbers_the_times_decide(self, minutes: int, outcome: str) -> None:
        at = NOW + timedelta(minutes=minutes)

        assert fold(state_with(), resolved(times=None), raised(times=None, at=at)).outcome == outcome

    def test_a_route_never_reports_that_it_fails_itself(self) -> None:
        state = fold(
            state_with(a_stored_route(), a_stored_route("boss")), raised("route/warehouse", kind="route_failing")
        ).state

        assert [notice.route_id for notice in state.notices.values()] == ["boss"]


class TestResolved:
    def test_the_end_of_what_was_sent_waits_and_ends_the_repeats(self) -> None:
        decision = fold(as_sent(fold(state_with(), raised(severity="critical")).state), resolved())

        assert [(notice.state, notice.is_open) for notice in decision.state.notices.values()] == [
            ("sent", False),
            ("waiting", False),
        ]
        assert decision.state.groups[f"{GROUP}!"].waiting == 1, "without a severity it has that of the raise"
        assert (decision.publish, decision.outcome) == ((), "resolved")

    def test_before_the_group_is_sent_both_are_suppressed(self) -> None:
        decision = fold(state_with(), raised(), resolved())

        assert reasons(decision) == ["resolved_before_sent"] * 2
        assert (decision.state.groups[GROUP].waiting, decision.state.groups[GROUP].flush_at) == (0, None)

    def test_before_its_raise_it_is_suppressed(self) -> None:
        assert reasons(fold(state_with(), resolved())) == ["resolved_before_sent"]

    def test_where_the_raise_was_not_sent_it_is_not_either(self) -> None:
        known = fold(state_with(), raised(), AcknowledgeAlert(alert=ALERT, by="li.na")).state
        assert reasons(fold(known, resolved())) == ["raise_not_sent"]
        new_route = fold(state_with(), raised()).state.with_route(a_stored_route("boss"))
        assert sorted(reasons(fold(new_route, resolved()))) == ["raise_not_sent", *["resolved_before_sent"] * 2]

    def test_one_that_comes_too_late_is_suppressed(self) -> None:
        decision = fold(state_with(), raised(times=2), resolved(times=1))

        assert (reasons(decision), decision.outcome) == (["outdated"], "outdated")
        assert decision.state.standings[ALERT].is_open


class TestAcknowledgement:
    command = AcknowledgeAlert(alert=ALERT, by="li.na", note="ordered", os_user="root")

    def test_it_ends_repeats_and_keeps_who_and_when(self) -> None:
        sent = as_sent(fold(state_with(), raised()).state)
        decision = fold(sent, self.command)

        event = AlertAcknowledged(alert=ALERT, by="li.na", note="ordered", os_user="root", acknowledged_at=NOW)
        assert (decision.publish, decision.outcome) == ((event,), "acknowledged")
        assert [notice.is_open for notice in decision.state.notices.values()] == [False]
        standing = decision.state.standings[ALERT]
        assert (standing.acknowledged_by, standing.acknowledged_at, standing.note) == ("li.na", NOW, "ordered")
        assert acknowledge(decision.state, message(self.command)) == Decision(decision.state, outcome="duplicate")

    def test_what_still_waits_is_not_sent(self) -> None:
        assert reasons(fold(state_with(), raised(), self.command)) == ["acknowledged"]

    def test_raised_again_it_is_no_longer_acknowledged(self) -> None:
        state = fold(state_with(), raised(), self.command, raised(times=2)).state

        assert state.standings[ALERT].acknowledged_at is None

    def test_an_unknown_alert_may_still_come(self) -> None:
        detail = "alert: there is no alert stock/501; `tributary alerts list` shows the existing ones."
        refused = AlertAcknowledgeRefused(alert=ALERT, reason="unknown_alert", detail=detail)

        assert acknowledge(state_with(), message(self.command)) == NotYet(
            "unknown_alert", Decision(state_with(), (refused,), "refused")
        )

    def test_one_longer_than_a_subject_can_be_sent(self) -> None:
        longest = AcknowledgeAlert(alert="a" * 512, by="li.na")

        assert message(longest, subject=longest.about()).subject == "alert/" + "a" * 250

    def test_a_resolved_alert_has_nothing_to_acknowledge(self) -> None:
        decision = fold(fold(state_with(), resolved()).state, self.command)

        [refused] = decision.publish
        assert isinstance(refused, AlertAcknowledgeRefused)
        assert (refused.reason, refused.detail) == (
            "alert_not_open",
            "alert: stock/501 is resolved since 2026-11-02 09:30 UTC.",
        )

    def test_notices_that_are_gone_are_not_missed(self) -> None:
        state = replace(fold(state_with(), raised()).state, notices={})

        assert fold(state, self.command).outcome == "acknowledged"


class TestFilter:
    @pytest.mark.parametrize(
        ("filter", "matches"),
        [
            (Filter(), True),
            (Filter(kinds=("stock_low", "dead_letter")), True),
            (Filter(kinds=("dead_letter",)), False),
            (Filter(shops=("shop-1",)), True),
            (Filter(shops=("shop-2",)), False),
            (Filter(markets=("east",)), False),
            (Filter(severity_min="warning"), True),
            (Filter(severity_min="critical"), False),
        ],
    )
    def test_each_part_that_names_something_has_to_match(self, filter: Filter, matches: bool) -> None:
        assert filter.matches("stock_low", "shop-1", None, "warning") is matches

    def test_a_group_is_named_by_what_its_alerts_have_in_common(self) -> None:
        threads = [
            thread_of(a_stored_route(group_by=parts), "stock_low", None, "east")
            for parts in ((), ("kind",), ("market", "kind"))
        ]
        assert threads == ["all", "stock_low", "stock_low/east"]
        assert group_of(a_stored_route(), "a", None, None, "critical").is_critical


class TestQuietHours:
    NIGHT = QuietHours(begins="22:00", ends="07:30", utc_offset_min=480)

    @pytest.mark.parametrize(
        ("utc", "until"),
        [("13:59", None), ("14:00", "23:30"), ("23:29", "23:30"), ("23:30", None), ("20:00", "23:30")],
    )
    def test_they_are_by_the_clock_of_their_place(self, utc: str, until: str | None) -> None:
        at = datetime.fromisoformat(f"2026-11-02T{utc}:00+00:00")
        end = None if until is None else datetime.fromisoformat(f"2026-11-02T{until}:00+00:00")

        assert quiet_until(self.NIGHT, at) == end

    def test_without_them_it_is_never_quiet(self) -> None:
        assert quiet_until(None, NOW) is None

    def test_they_have_a_length(self) -> None:
        with pytest.raises(ValueError, match="begins and ends are the same"):
            QuietHours(begins="07:30", ends="07:30")

    @given(st.timedeltas(timedelta(), timedelta(days=2)), st.integers(-840, 840))
    def test_at_their_end_they_are_over(self, later: timedelta, offset_min: int) -> None:
        at = NOW + later
        hours = QuietHours(begins="22:00", ends="07:30", utc_offset_min=offset_min)
        until = quiet_until(hours, at)
        if until is not None:
            assert until > at
            assert quiet_until(hours, until) is None
            assert until - at <= timedelta(hours=9.5)


@given(st.permutations([raised(times=1), resolved(times=1), raised(times=2), resolved(times=2)]))
def test_in_any_order_the_newest_change_stands_and_each_has_one_notice(changes: list[Payload]) -> None:
    state = fold(state_with(), *changes).state

    standing = state.standings[ALERT]
    assert (standing.times, standing.is_open) == (2, False)
    assert len(state.notices) == len(changes)
    assert all(notice.state == "suppressed" for notice in state.notices.values())
    assert all(group.waiting == 0 and group.flush_at is None for group in state.groups.values())
