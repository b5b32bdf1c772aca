"""The rules of the network. History is kept: an order is paid by the chain, tiers and team as of its own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    DistributorChanged,
    DistributorMoved,
    DistributorRefused,
    DistributorRegistered,
    JoinTeam,
    LeaderChanged,
    LeaveTeam,
    MoveDistributor,
    RegisterDistributor,
    RegisterShop,
    ShopRefused,
    ShopRegistered,
    TeamCreated,
    TeamJoined,
    TeamLeft,
    TeamRefused,
)
from contracts.network.view import (
    Dated,
    Distributor,
    Leadership,
    Membership,
    Shop,
    Sponsorship,
    Standing,
    Team,
    held_at,
)
from contracts.times import CLOCK_SKEW_MAX, plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.network.model import State

Answer = Decision[State] | NotYet[State]
_Change = ChangeDistributor | MoveDistributor | ChangeLeader | JoinTeam | LeaveTeam

refuse_unreadable_shop = Refusing[RegisterShop](ShopRefused, "shop_id")
refuse_unreadable_distributor = Refusing[RegisterDistributor | ChangeDistributor | MoveDistributor](
    DistributorRefused, "distributor_id"
)
refuse_unreadable_team = Refusing[CreateTeam | ChangeLeader | JoinTeam | LeaveTeam](TeamRefused, "team_id")


def register_shop(state: State, message: Message[RegisterShop]) -> Answer:
    """A shop never changes its currency: its orders, stock values and commissions use it."""
    command = message.data
    known = state.shops.get(command.shop_id)
    shop = Shop(**{name: value for name, value in command if value is not None})
    if known == shop:
        return Decision(state, outcome="unchanged")
    if known is not None and known.currency != shop.currency:
        detail = f"currency: shop {shop.shop_id} sells in {known.currency}; register another shop for {shop.currency}."
        refused = ShopRefused(shop_id=shop.shop_id, reason="conflict", detail=detail)
        return Decision(state, (refused,), "refused")
    return Decision(state.with_shop(shop), (ShopRegistered(**dict(command)),), "registered")


def register_distributor(state: State, message: Message[RegisterDistributor]) -> Answer:
    """A distributor joins below an existing sponsor. The distributor has no downline yet, so no cycle can form."""
    command = message.data
    known = state.distributors.get(command.distributor_id)
    if known is not None:
        joined_under, first = known.sponsors[0].sponsor_id, known.standings[0]
        if joined_under != command.sponsor_id:
            detail = (
                f"distributor_id: {command.distributor_id} was registered under sponsor {joined_under or 'none'}; "
                "to change that, move the distributor."
            )
            return _refuse(state, command.distributor_id, "conflict", detail)
        if first.tier == command.tier and command.joined_at in (None, first.since):
            return Decision(state, outcome="duplicate")
        detail = (
            f"distributor_id: {command.distributor_id} was registered with tier {first.tier}, joined at "
            f"{first.since.isoformat()}, which stays; to change the tier, change the distributor."
        )
        return _refuse(state, command.distributor_id, "conflict", detail)
    if command.sponsor_id == command.distributor_id:
        return _own_sponsor(state, command.distributor_id)
    if command.sponsor_id is not None and command.sponsor_id not in state.distributors:
        return _sponsor_unknown(state, command.distributor_id, command.sponsor_id)
    joined_at = command.joined_at or message.received_at
    if joined_at > plus(message.received_at, CLOCK_SKEW_MAX):
        return _refuse(state, command.distributor_id, "time_in_future", _in_the_future("joined_at", joined_at))
    distributor = Distributor(
        distributor_id=command.distributor_id,
        standings=(Standing(joined_at, command.tier, True),),
        sponsors=(Sponsorship(joined_at, command.sponsor_id),),
        sponsor_id=command.sponsor_id,
    )
    registered = DistributorRegistered(
        distributor_id=command.distributor_id, sponsor_id=command.sponsor_id, tier=command.tier, joined_at=joined_at
    )
    return Decision(state.with_distributor(distributor), (registered,), "registered")


def change_distributor(state: State, message: Message[ChangeDistributor]) -> Answer:
    """Begin a new standing; the earlier ones stay, since orders of their time use them."""
    command = message.data
    known = state.distributors.get(command.distributor_id)
    if known is None:
        return _distributor_unknown(state, command.distributor_id)
    last = known.standings[-1]
    since = _effective_at(message, last)
    held = known.standing_at(since)
    standing = Standing(
        since=since,
        tier=command.tier or held.tier,
        active=held.active if command.active is None else command.active,
    )
    if standing == held:
        return Decision(state, outcome="duplicate")
    if since < last.since:
        return _refuse(state, command.distributor_id, "out_of_order", _too_early("change", last.since))
    if standing == replace(held, since=since):
        return Decision(state, outcome="unchanged")
    changed = DistributorChanged(
        distributor_id=command.distributor_id,
        tier=standing.tier,
        active=standing.active,
        effective_at=standing.since,
    )
    after = replace(known, standings=(*known.standings, standing))
    return Decision(state.with_distributor(after), (changed,), "changed")


def move_distributor(state: State, message: Message[MoveDistributor]) -> Answer:
    """Begin a new sponsorship. The downline does not change: chains are found by following the sponsors.

    Refused if the new sponsor is below the distributor at any known time from then on.
    """
    command = message.data
    known = state.distributors.get(command.distributor_id)
    if command.sponsor_id == command.distributor_id:
        return _own_sponsor(state, command.distributor_id)
    if known is None:
        return _distributor_unknown(state, command.distributor_id)
    if command.sponsor_id is not None and command.sponsor_id not in state.distributors:
        return _sponsor_unknown(state, command.distributor_id, command.sponsor_id)
    last = known.sponsors[-1]
    sponsorship = Sponsorship(_effective_at(message, last), command.sponsor_id)
    if sponsorship == held_at(known.sponsors, sponsorship.since):
        return Decision(state, outcome="duplicate")
    if sponsorship.since < last.since:
        return _refuse(state, command.distributor_id, "out_of_order", _too_early("sponsor", last.since))
    if last.sponsor_id == command.sponsor_id:
        return Decision(state, outcome="unchanged")
    if command.sponsor_id is not None and _is_below(
        state.distributors, command.sponsor_id, command.distributor_id, sponsorship.since
    ):
        detail = (
            f"sponsor_id: distributor {command.sponsor_id} stands below {command.distributor_id} at "
            f"{sponsorship.since.isoformat()} or later; move {command.sponsor_id} out of there first."
        )
        return _refuse(state, command.distributor_id, "cycle", detail)
    moved = DistributorMoved(
        distributor_id=command.distributor_id,
        sponsor_id=command.sponsor_id,
        former_sponsor_id=last.sponsor_id,
        effective_at=sponsorship.since,
    )
    after = replace(known, sponsors=(*known.sponsors, sponsorship), sponsor_id=command.sponsor_id)
    return Decision(state.with_moved(after), (moved,), "moved")


def create_team(state: State, message: Message[CreateTeam]) -> Answer:
    """Create a team; its name stays, and its history of leaders begins with the given one."""
    command = message.data
    known = state.teams.get(command.team_id)
    if known is not None:
        first = known.leaders[0]
        is_same = (known.name, first.leader_id) == (command.name, command.leader_id)
        if is_same and command.created_at in (None, first.since):
            return Decision(state, outcome="duplicate")
        detail = (
            f"team_id: {command.team_id} was created as {known.name!r} at {first.since.isoformat()}, led by "
            f"{first.leader_id}; choose another id."
        )
        return _refuse_team(state, command.team_id, "conflict", detail)
    if command.leader_id not in state.distributors:
        return _leader_unknown(state, command.team_id, command.leader_id)
    created_at = command.created_at or message.received_at
    if created_at > plus(message.received_at, CLOCK_SKEW_MAX):
        return _refuse_team(state, command.team_id, "time_in_future", _in_the_future("created_at", created_at))
    team = Team(command.team_id, command.name, (Leadership(created_at, command.leader_id),))
    created = TeamCreated(
        team_id=command.team_id, leader_id=command.leader_id, name=command.name, created_at=created_at
    )
    return Decision(state.with_team(team), (created,), "created")


def change_leader(state: State, message: Message[ChangeLeader]) -> Answer:
    """Begin a new leadership; earlier orders still pay the leader of their time."""
    command = message.data
    known = state.teams.get(command.team_id)
    if known is None:
        return _team_unknown(state, command.team_id)
    if command.leader_id not in state.distributors:
        return _leader_unknown(state, command.team_id, command.leader_id)
    last = known.leaders[-1]
    leadership = Leadership(_effective_at(message, last), command.leader_id)
    if leadership == held_at(known.leaders, leadership.since):
        return Decision(state, outcome="duplicate")
    if leadership.since < last.since:
        return _refuse_team(state, command.team_id, "out_of_order", _too_early("leader", last.since))
    if last.leader_id == command.leader_id:
        return Decision(state, outcome="unchanged")
    changed = LeaderChanged(team_id=command.team_id, leader_id=command.leader_id, effective_at=leadership.since)
    after = replace(known, leaders=(*known.leaders, leadership))
    return Decision(state.with_team(after), (changed,), "leader_changed")


def join_team(state: State, message: Message[JoinTeam]) -> Answer:
    """Begin a membership, which ends the previous one: a distributor is in one team at a time."""
    command = message.data
    known = state.distributors.get(command.distributor_id)
    if command.team_id not in state.teams:
        return _team_unknown(state, command.team_id)
    if known is None:
        return _member_unknown(state, command.team_id, command.distributor_id)
    last = known.teams[-1] if known.teams else None
    membership = Membership(_effective_at(message, last), command.team_id)
    if known.teams and membership == held_at(known.teams, membership.since):
        return Decision(state, outcome="duplicate")
    if last is not None and membership.since < last.since:
        return _refuse_team(state, command.team_id, "out_of_order", _too_early("membership", last.since))
    if last is not None and last.team_id == command.team_id:
        return Decision(state, outcome="unchanged")
    joined = TeamJoined(
        team_id=command.team_id,
        distributor_id=command.distributor_id,
        former_team_id=last.team_id if last is not None else None,
        effective_at=membership.since,
    )
    after = replace(known, teams=(*known.teams, membership))
    return Decision(state.with_distributor(after), (joined,), "joined")


def leave_team(state: State, message: Message[LeaveTeam]) -> Answer:
    """End a membership. A leave that arrives before its join waits for it."""
    command = message.data
    known = state.distributors.get(command.distributor_id)
    if known is None:
        return _member_unknown(state, command.team_id, command.distributor_id)
    last = known.teams[-1] if known.teams else None
    end = Membership(_effective_at(message, last))
    if last is None or last.team_id != command.team_id:
        if known.teams and end == held_at(known.teams, end.since):
            return Decision(state, outcome="duplicate")
        if last is not None and last.team_id is None and known.teams[-2].team_id == command.team_id:
            # The distributor left this team already, unless another join is on its way.
            return NotYet("not_a_member", Decision(state, outcome="unchanged"))
        detail = f"distributor_id: distributor {command.distributor_id} is not in team {command.team_id}."
        return NotYet("not_a_member", _refuse_team(state, command.team_id, "not_a_member", detail))
    if end.since < last.since:
        return _refuse_team(state, command.team_id, "out_of_order", _too_early("membership", last.since))
    left = TeamLeft(team_id=command.team_id, distributor_id=command.distributor_id, effective_at=end.since)
    after = replace(known, teams=(*known.teams, end))
    return Decision(state.with_distributor(after), (left,), "left")


def _is_below(distributors: Mapping[int, Distributor], distributor_id: int, above_id: int, moment: datetime) -> bool:
    """Whether the sponsors at `moment` or later, followed up to the root, lead from one to the other.

    It follows all sponsorships together, whenever each holds. So it may report a cycle that later changes would avoid,
    but never misses one.
    """
    seen = {distributor_id}
    ahead = [distributor_id]
    while ahead:
        for sponsor_id in distributors[ahead.pop()].sponsors_from(moment):
            if sponsor_id == above_id:
                return True
            if sponsor_id not in seen:
                seen.add(sponsor_id)
                ahead.append(sponsor_id)
    return False


def _effective_at(message: Message[_Change], last: Dated | None) -> datetime:
    """When a change takes effect: at the given time, past or future; else at our receipt.

    Clocks of our processes differ a little: of two changes without a time, the second is never earlier.
    """
    if message.data.effective_at is not None:
        return message.data.effective_at
    at = message.received_at
    return max(at, last.since) if last is not None and last.since <= plus(at, CLOCK_SKEW_MAX) else at


def _in_the_future(field: str, moment: datetime) -> str:
    return f"{field}: {moment.isoformat()} has not come yet; give a time that has, or none."


def _too_early(what: str, since: datetime) -> str:
    return f"effective_at: a {what} holds from {since.isoformat()} already; give a later time."


def _own_sponsor(state: State, distributor_id: int) -> Answer:
    return _refuse(state, distributor_id, "own_sponsor", "sponsor_id: a distributor cannot sponsor themselves.")


def _sponsor_unknown(state: State, distributor_id: int, sponsor_id: int) -> Answer:
    detail = f"sponsor_id: distributor {sponsor_id} is not registered."
    return NotYet("sponsor_unknown", _refuse(state, distributor_id, "sponsor_unknown", detail))


def _distributor_unknown(state: State, distributor_id: int) -> Answer:
    detail = f"distributor_id: distributor {distributor_id} is not registered."
    return NotYet("distributor_unknown", _refuse(state, distributor_id, "distributor_unknown", detail))


def _member_unknown(state: State, team_id: int, distributor_id: int) -> Answer:
    detail = f"distributor_id: distributor {distributor_id} is not registered."
    return NotYet("distributor_unknown", _refuse_team(state, team_id, "distributor_unknown", detail))


def _leader_unknown(state: State, team_id: int, leader_id: int) -> Answer:
    detail = f"leader_id: distributor {leader_id} is not registered."
    return NotYet("leader_unknown", _refuse_team(state, team_id, "leader_unknown", detail))


def _team_unknown(state: State, team_id: int) -> Answer:
    detail = f"team_id: team {team_id} was never created."
    return NotYet("team_unknown", _refuse_team(state, team_id, "team_unknown", detail))


def _refuse(state: State, distributor_id: int, reason: str, detail: str) -> Decision[State]:
    refused = DistributorRefused(distributor_id=distributor_id, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")


def _refuse_team(state: State, team_id: int, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (TeamRefused(team_id=team_id, reason=reason, detail=detail),), "refused")
