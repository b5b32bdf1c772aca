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
from tests.faults.crash_scenario import LATER, Scenario, noise, say


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
                say(RegisterDistributor(distributor_id=MIDDLE, sponsor_id=TOP, joined_at=JOINED)),
                say(top),
                say(top, again=1),
                say(RegisterDistributor(distributor_id=4, sponsor_id=4)),
                say(RegisterDistributor(distributor_id=5, sponsor_id=99)),
            ),
            (
                say(shop),
                say(shop),
                say(shop, again=1),
                say(RegisterShop(shop_id=SHOP, currency="EUR")),
                noise(shop.message_type),
            ),
            (
                say(change),
                say(change, again=1),
                say(ChangeDistributor(distributor_id=TOP, active=False, effective_at=NOW)),
                say(ChangeDistributor(distributor_id=98, active=False)),
                say(MoveDistributor(distributor_id=TOP, sponsor_id=MIDDLE, effective_at=NOW)),
                say(team),
                say(team, again=1),
                noise(team.message_type),
            ),
            (say(move), say(move, again=1), say(member), say(member, again=1)),
            (
                say(ChangeLeader(team_id=TEAM, leader_id=MIDDLE, effective_at=LATER)),
                say(LeaveTeam(team_id=TEAM, distributor_id=MIDDLE, effective_at=LATER)),
                say(ChangeLeader(team_id=99, leader_id=MIDDLE)),
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
