"""Teams: leaders and members, each from a date on; a distributor is in one team at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.network.v1 import (
    ChangeLeader,
    CreateTeam,
    JoinTeam,
    LeaderChanged,
    LeaveTeam,
    TeamCreated,
    TeamJoined,
    TeamLeft,
    TeamRefused,
)
from contracts.network.view import Distributor, Team
from contracts.wire.decision import Decision, NotYet
from tests.builders import JOINED, MIDDLE, NOW, SELLER, TEAM, TOP, a_distributor, a_team, by_id, message, the_chain
from workers.network.decide import change_leader, create_team, join_team, leave_team
from workers.network.model import State

A_DAY = timedelta(days=1)
WEST = 13


def a_network(*distributors: Distributor, teams: tuple[Team, ...] = (a_team(),)) -> State:
    return State(distributors={**the_chain(), **by_id(*distributors)}, teams={team.team_id: team for team in teams})


def create(leader_id: int = MIDDLE, **fields: Any) -> CreateTeam:
    return CreateTeam(**{"team_id": TEAM, "leader_id": leader_id, "name": "East", **fields})


def lead(leader_id: int = TOP, team_id: int = TEAM, **fields: Any) -> ChangeLeader:
    return ChangeLeader(team_id=team_id, leader_id=leader_id, **fields)


def join(distributor_id: int = SELLER, team_id: int = TEAM, **fields: Any) -> JoinTeam:
    return JoinTeam(team_id=team_id, distributor_id=distributor_id, **fields)


def leave(distributor_id: int = SELLER, team_id: int = TEAM, **fields: Any) -> LeaveTeam:
    return LeaveTeam(team_id=team_id, distributor_id=distributor_id, **fields)


def refused(reason: str, detail: str, state: State, team_id: int = TEAM) -> Decision[State]:
    return Decision(state, (TeamRefused(team_id=team_id, reason=reason, detail=detail),), "refused")


class TestCreating:
    EMPTY = a_network(teams=())

    def test_a_team_has_a_name_and_a_leader(self) -> None:
        event = TeamCreated(team_id=TEAM, leader_id=MIDDLE, name="East", created_at=JOINED)

        assert create_team(self.EMPTY, message(create(created_at=JOINED))) == Decision(a_network(), (event,), "created")

    def test_the_default_date_is_the_messages_time(self) -> None:
        assert create_team(self.EMPTY, message(create())).state.teams[TEAM].leaders[0].since == NOW

    def test_a_repeat_changes_nothing_even_after_a_change_of_leader(self) -> None:
        state = a_network(teams=(a_team(TEAM, MIDDLE, (NOW, TOP)),))

        assert create_team(state, message(create())) == Decision(state, outcome="duplicate")

    @pytest.mark.parametrize("command", [create(name="South"), create(TOP), create(created_at=NOW)])
    def test_a_repeat_with_other_content_is_a_conflict(self, command: CreateTeam) -> None:
        state = a_network()
        detail = "team_id: 12 was created as 'East' at 2026-01-01T00:00:00+00:00, led by 2; choose another id."

        assert create_team(state, message(command)) == refused("conflict", detail, state)

    def test_an_unknown_leader_is_retried(self) -> None:
        otherwise = refused("leader_unknown", "leader_id: distributor 99 is not registered.", self.EMPTY)

        assert create_team(self.EMPTY, message(create(99))) == NotYet("leader_unknown", otherwise)


class TestLeading:
    def test_a_new_leader_leads_from_the_date_on(self) -> None:
        tomorrow = NOW + A_DAY
        event = LeaderChanged(team_id=TEAM, leader_id=TOP, effective_at=tomorrow)
        after = a_team(TEAM, MIDDLE, (tomorrow, TOP))

        assert change_leader(a_network(), message(lead(effective_at=tomorrow))) == Decision(
            a_network(teams=(after,)), (event,), "leader_changed"
        )
        assert [after.leader_at(at) for at in (JOINED - A_DAY, NOW, tomorrow)] == [MIDDLE, MIDDLE, TOP]

    def test_a_repeat_changes_nothing(self) -> None:
        once = change_leader(a_network(), message(lead())).state

        assert change_leader(once, message(lead(), id="resent")) == Decision(once, outcome="duplicate")
        assert change_leader(once, message(lead(), time=NOW + A_DAY)) == Decision(once, outcome="unchanged")

    def test_history_is_not_rewritten(self) -> None:
        state = a_network(teams=(a_team(TEAM, MIDDLE, (NOW, TOP)),))
        detail = "effective_at: a leader holds from 2026-11-02T09:30:00+00:00 already; give a later time."

        assert change_leader(state, message(lead(SELLER, effective_at=NOW - A_DAY))) == refused(
            "out_of_order", detail, state
        )

    def test_a_leader_may_return_at_the_same_moment(self) -> None:
        state = a_network()
        for leader_id in (TOP, MIDDLE, TOP):
            state = change_leader(state, message(lead(leader_id, effective_at=NOW))).state

        assert state.teams[TEAM].leader_at(NOW) == TOP

    @pytest.mark.parametrize(
        ("command", "reason", "detail"),
        [
            (lead(team_id=WEST), "team_unknown", "team_id: team 13 was never created."),
            (lead(99), "leader_unknown", "leader_id: distributor 99 is not registered."),
        ],
    )
    def test_an_unknown_id_is_retried(self, command: ChangeLeader, reason: str, detail: str) -> None:
        state = a_network()

        assert change_leader(state, message(command)) == NotYet(reason, refused(reason, detail, state, command.team_id))


class TestJoining:
    def test_a_member_joins_from_the_date_on(self) -> None:
        event = TeamJoined(team_id=TEAM, distributor_id=SELLER, effective_at=NOW)
        after = a_network(a_distributor(SELLER, MIDDLE, teams=[(NOW, TEAM)]))

        assert join_team(a_network(), message(join())) == Decision(after, (event,), "joined")

    def test_joining_another_team_leaves_the_former(self) -> None:
        state = a_network(
            a_distributor(SELLER, MIDDLE, teams=[(JOINED, TEAM)]), teams=(a_team(), a_team(WEST, name="West"))
        )
        event = TeamJoined(team_id=WEST, distributor_id=SELLER, former_team_id=TEAM, effective_at=NOW)

        decision = join_team(state, message(join(team_id=WEST)))

        assert (decision.publish, decision.outcome) == ((event,), "joined")
        assert decision.state.distributors[SELLER] == a_distributor(SELLER, MIDDLE, teams=[(JOINED, TEAM), (NOW, WEST)])

    def test_a_repeat_changes_nothing(self) -> None:
        once = join_team(a_network(), message(join())).state

        assert join_team(once, message(join(), id="resent")) == Decision(once, outcome="duplicate")
        assert join_team(once, message(join(), time=NOW + A_DAY)) == Decision(once, outcome="unchanged")

    def test_history_is_not_rewritten(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE, teams=[(NOW, TEAM)]))
        detail = "effective_at: a membership holds from 2026-11-02T09:30:00+00:00 already; give a later time."

        assert join_team(state, message(join(effective_at=NOW - A_DAY))) == refused("out_of_order", detail, state)

    def test_a_member_may_return_at_the_same_moment(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE), teams=(a_team(), a_team(WEST, name="West")))
        for team_id in (TEAM, WEST, TEAM):
            state = join_team(state, message(join(team_id=team_id, effective_at=NOW))).state

        assert state.distributors[SELLER].team_at(NOW) == TEAM

    @pytest.mark.parametrize(
        ("command", "reason", "detail"),
        [
            (join(team_id=WEST), "team_unknown", "team_id: team 13 was never created."),
            (join(99), "distributor_unknown", "distributor_id: distributor 99 is not registered."),
        ],
    )
    def test_an_unknown_id_is_retried(self, command: JoinTeam, reason: str, detail: str) -> None:
        state = a_network()

        assert join_team(state, message(command)) == NotYet(reason, refused(reason, detail, state, command.team_id))


class TestLeaving:
    NETWORK = a_network(a_distributor(SELLER, MIDDLE, teams=[(NOW, TEAM)]))

    def test_a_member_leaves_from_the_date_on(self) -> None:
        tomorrow = NOW + A_DAY
        event = TeamLeft(team_id=TEAM, distributor_id=SELLER, effective_at=tomorrow)
        after = a_network(a_distributor(SELLER, MIDDLE, teams=[(NOW, TEAM), (tomorrow, None)]))

        assert leave_team(self.NETWORK, message(leave(effective_at=tomorrow))) == Decision(after, (event,), "left")

    def test_a_repeat_changes_nothing(self) -> None:
        once = leave_team(self.NETWORK, message(leave())).state

        assert leave_team(once, message(leave(), id="resent")) == Decision(once, outcome="duplicate")

    def test_a_later_repeat_is_retried_and_then_changes_nothing(self) -> None:
        once = leave_team(self.NETWORK, message(leave())).state

        assert leave_team(once, message(leave(), time=NOW + A_DAY)) == NotYet(
            "not_a_member", Decision(once, outcome="unchanged")
        )

    def test_a_former_member_may_join_again(self) -> None:
        left = leave_team(self.NETWORK, message(leave())).state

        back = join_team(left, message(join(), time=NOW + A_DAY))

        assert back.publish == (TeamJoined(team_id=TEAM, distributor_id=SELLER, effective_at=NOW + A_DAY),)

    def test_history_is_not_rewritten(self) -> None:
        detail = "effective_at: a membership holds from 2026-11-02T09:30:00+00:00 already; give a later time."

        assert leave_team(self.NETWORK, message(leave(effective_at=NOW - A_DAY))) == refused(
            "out_of_order", detail, self.NETWORK
        )

    @pytest.mark.parametrize(
        ("command", "reason", "detail"),
        [
            (leave(MIDDLE), "not_a_member", "distributor_id: distributor 2 is not in team 12."),
            (leave(team_id=WEST), "not_a_member", "distributor_id: distributor 3 is not in team 13."),
            (leave(99), "distributor_unknown", "distributor_id: distributor 99 is not registered."),
        ],
    )
    def test_a_leave_before_its_join_is_retried(self, command: LeaveTeam, reason: str, detail: str) -> None:
        otherwise = refused(reason, detail, self.NETWORK, command.team_id)

        assert leave_team(self.NETWORK, message(command)) == NotYet(reason, otherwise)
