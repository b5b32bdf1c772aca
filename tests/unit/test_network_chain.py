"""An order has the sponsor chain and the team as of its own time, regardless of later moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.orders.v1 import Team, Upline
from contracts.orders.view import SellingTeam
from tests.builders import (
    KEY,
    MIDDLE,
    NOW,
    SELLER,
    TEAM,
    TOP,
    a_distributor,
    a_standing,
    a_team,
    an_upline,
    by_id,
    message,
    order_state,
    place,
    the_chain,
)
from workers.order_intake.decide import place as decide_place

A_DAY = timedelta(days=1)


def test_the_chain_is_as_of_the_orders_time() -> None:
    moved = a_distributor(SELLER, MIDDLE, moves=[(NOW - A_DAY, 4), (NOW, None)])
    state = order_state(distributors={**the_chain(), **by_id(moved, a_distributor(4, TOP))})

    def chain_at(placed_at: Any) -> tuple[Upline, ...]:
        return decide_place(state, message(place(placed_at=placed_at))).publish[0].upline

    assert chain_at(NOW - 2 * A_DAY) == an_upline(SELLER, MIDDLE, TOP)
    assert chain_at(NOW - A_DAY) == an_upline(SELLER, 4, TOP)
    assert chain_at(NOW) == an_upline(SELLER)


def test_the_team_and_its_leader_are_as_of_the_orders_time() -> None:
    member = a_distributor(SELLER, MIDDLE, teams=[(NOW - 2 * A_DAY, TEAM), (NOW, None)])
    leader = a_distributor(MIDDLE, TOP, standings=[a_standing(tier="gold", active=False)])
    team = a_team(TEAM, MIDDLE, (NOW - A_DAY, 9))
    state = order_state(distributors={**the_chain(), **by_id(member, leader, a_distributor(9))}, teams={TEAM: team})

    def team_at(placed_at: Any) -> tuple[Team | None, SellingTeam | None]:
        decision = decide_place(state, message(place(placed_at=placed_at)))
        return decision.publish[0].team, decision.state.orders[KEY].team

    assert team_at(NOW - 3 * A_DAY) == (None, None)
    assert team_at(NOW - 2 * A_DAY) == (
        Team(team_id=TEAM, leader_id=MIDDLE, leader_tier="gold", leader_active=False),
        SellingTeam(TEAM, MIDDLE, "gold", False),
    )
    assert team_at(NOW - A_DAY) == (
        Team(team_id=TEAM, leader_id=9, leader_tier="standard", leader_active=True),
        SellingTeam(TEAM, 9, "standard", True),
    )
    assert team_at(NOW) == (None, None)
