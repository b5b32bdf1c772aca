"""Shops, distributors and teams, and their changes."""

from __future__ import annotations

from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    JoinTeam,
    LeaveTeam,
    MoveDistributor,
    RegisterDistributor,
    RegisterShop,
)
from tests.builders import JOINED, MIDDLE, NOW, SHOP, TEAM, TOP
from tests.faults.crash_scenario import LATER, Scenario, noise, outgoing


def network() -> Scenario:
    shop = RegisterShop(shop_id=SHOP, currency="CNY")
    top = RegisterDistributor(distributor_id=TOP, joined_at=JOINED)
    change = ChangeDistributor(distributor_id=TOP, tier="gold", effective_at=LATER)
    move = MoveDistributor(distributor_id=MIDDLE, effective_at=LATER)
    team = CreateTeam(team_id=TEAM, leader_id=TOP, name="East", created_at=JOINED)
    member = JoinTeam(team_id=TEAM, distributor_id=MIDDLE, effective_at=NOW)
    return Scenario(
        "network",
        (
            (
                outgoing(RegisterDistributor(distributor_id=MIDDLE, sponsor_id=TOP, joined_at=JOINED)),
                outgoing(top),
                outgoing(top, again=1),
                outgoing(RegisterDistributor(distributor_id=4, sponsor_id=4)),
                outgoing(RegisterDistributor(distributor_id=5, sponsor_id=99)),
            ),
            (
                outgoing(shop),
                outgoing(shop),
                outgoing(shop, again=1),
                outgoing(RegisterShop(shop_id=SHOP, currency="EUR")),
                noise(shop.message_type),
            ),
            (
                outgoing(change),
                outgoing(change, again=1),
                outgoing(ChangeDistributor(distributor_id=TOP, active=False, effective_at=NOW)),
                outgoing(ChangeDistributor(distributor_id=98, active=False)),
                outgoing(MoveDistributor(distributor_id=TOP, sponsor_id=MIDDLE, effective_at=NOW)),
                outgoing(team),
                outgoing(team, again=1),
                noise(team.message_type),
            ),
            (outgoing(move), outgoing(move, again=1), outgoing(member), outgoing(member, again=1)),
            (
                outgoing(ChangeLeader(team_id=TEAM, leader_id=MIDDLE, effective_at=LATER)),
                outgoing(LeaveTeam(team_id=TEAM, distributor_id=MIDDLE, effective_at=LATER)),
                outgoing(ChangeLeader(team_id=99, leader_id=MIDDLE)),
            ),
        ),
        frozenset(
            (
                *("registered", "unchanged", "refused", "duplicate", "changed"),
                *("moved", "created", "joined", "left", "leader_changed"),
            )
        ),
        {},
        dead=2,
    )
