"""Network messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from contracts.fields import AnyCurrency, Code, Currency, Detail, DistributorId, Id64, MarketName, ShopId, visible_name
from contracts.network.view import DISTRIBUTOR_ORDERS_MAX
from contracts.subjects import OfDistributor, OfShop, OfTeam
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

Tier = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="The distributor's rank.", examples=["standard"]),
]
SponsorId = Annotated[
    Id64 | None,
    Field(description="The distributor's sponsor; absent at the top of the network.", examples=[40007]),
]


PaymentDeadline = Annotated[
    int,
    Field(
        strict=True, ge=60, le=30 * 86_400, description="Seconds until an unpaid order is cancelled.", examples=[1800]
    ),
]
HistoryFrom = Annotated[
    Timestamp | None,
    Field(
        description="Orders placed since then may be entered as history. If absent, an order must reach us within "
        "31 days.",
        examples=["2024-01-01T00:00:00Z"],
    ),
]
DistributorOrders = Annotated[
    StrictBool | None,
    Field(description="Whether distributors may place orders in the shop; if absent, only in the default shop."),
]
UnpaidOrdersMax = Annotated[
    int | None,
    Field(
        strict=True,
        ge=1,
        le=DISTRIBUTOR_ORDERS_MAX,
        description="How many unpaid orders a distributor may have, with all logins; 20 if absent.",
        examples=[20],
    ),
]
UnpaidUnitsMax = Annotated[
    int | None,
    Field(
        strict=True,
        ge=1,
        le=10_000_000,
        description="How many units the unpaid orders of a distributor may hold together; 100 if absent.",
        examples=[100],
    ),
]
TeamId = Annotated[Id64, Field(description="The team, by its number in the network.", examples=[12])]
LeaderId = Annotated[Id64, Field(description="The leader of the team; need not be a member.", examples=[40007])]
AnyTeamName = Annotated[
    str,
    Field(min_length=1, max_length=100, description="The team's name, for people.", examples=["Riverside"]),
]
"""A name of an event: it may have been given before names had to be visible."""

TeamName = Annotated[AnyTeamName, AfterValidator(visible_name)]
EffectiveAt = Annotated[
    Timestamp | None,
    Field(
        description="When the change takes effect; if absent, when it reaches us. Orders are checked as of their own "
        "time; orders accepted already do not change."
    ),
]


class RegisterShop(OfShop, Command, type="shop.register.v1"):
    """Register a shop and its currency. Registering it again changes everything but the currency.

    `history_from` permits it to enter orders of the past; registering it again without the field ends that.
    The fields about distributors apply to orders that distributors place themselves, over HTTP.
    """

    shop_id: ShopId
    currency: Currency
    payment_deadline_s: PaymentDeadline = 1800
    market: MarketName = "default"
    history_from: HistoryFrom = None
    distributor_orders: DistributorOrders = None
    distributor_unpaid_orders_max: UnpaidOrdersMax = None
    distributor_unpaid_units_max: UnpaidUnitsMax = None


class ShopRegistered(OfShop, Event, type="shop.registered.v1"):
    shop_id: ShopId
    currency: AnyCurrency
    payment_deadline_s: PaymentDeadline = 1800
    market: MarketName = "default"
    history_from: HistoryFrom = None
    distributor_orders: DistributorOrders = None
    distributor_unpaid_orders_max: UnpaidOrdersMax = None
    distributor_unpaid_units_max: UnpaidUnitsMax = None


class ShopRefused(OfShop, Refusal, type="shop.refused.v1"):
    shop_id: ShopId
    reason: Code
    detail: Detail


class RegisterDistributor(OfDistributor, Command, type="distributor.register.v1"):
    """Register a distributor under a sponsor, or at the top without one."""

    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    tier: Tier = "standard"
    joined_at: Annotated[
        Timestamp | None, Field(description="Never in the future; if absent, when the message reaches us.")
    ] = None


class ChangeDistributor(OfDistributor, Command, type="distributor.change.v1"):
    """Change a distributor's tier or activity from `effective_at` on; absent fields stay as they are."""

    distributor_id: DistributorId
    tier: Annotated[Tier | None, Field(description="Stays as it is if absent.")] = None
    active: Annotated[
        StrictBool | None, Field(description="Whether the distributor earns; stays as it is if absent.")
    ] = None
    effective_at: EffectiveAt = None


class MoveDistributor(OfDistributor, Command, type="distributor.move.v1"):
    """Move a distributor, with everyone below, under another sponsor; or to the top, without one."""

    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    effective_at: EffectiveAt = None


class DistributorRegistered(OfDistributor, Event, type="distributor.registered.v1"):
    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    tier: Tier
    joined_at: Timestamp


class DistributorChanged(OfDistributor, Event, type="distributor.changed.v1"):
    distributor_id: DistributorId
    tier: Tier
    active: StrictBool
    effective_at: Timestamp


class DistributorMoved(OfDistributor, Event, type="distributor.moved.v1"):
    distributor_id: DistributorId
    sponsor_id: SponsorId = None
    former_sponsor_id: Annotated[
        Id64 | None, Field(description="The previous sponsor; absent if there was none.", examples=[40003])
    ] = None
    effective_at: Timestamp


class DistributorRefused(OfDistributor, Refusal, type="distributor.refused.v1"):
    distributor_id: DistributorId
    reason: Code
    detail: Detail


class CreateTeam(OfTeam, Command, type="team.create.v1"):
    """Create a team and name its leader."""

    team_id: TeamId
    leader_id: LeaderId
    name: TeamName
    created_at: Annotated[
        Timestamp | None, Field(description="Never in the future; if absent, when the message reaches us.")
    ] = None


class ChangeLeader(OfTeam, Command, type="team.change-leader.v1"):
    """Make another distributor the leader of the team."""

    team_id: TeamId
    leader_id: LeaderId
    effective_at: EffectiveAt = None


class JoinTeam(OfTeam, Command, type="team.join.v1"):
    """Make a distributor a member of the team; the distributor leaves any other team."""

    team_id: TeamId
    distributor_id: DistributorId
    effective_at: EffectiveAt = None

    def sets(self) -> str:
        return f"membership/{self.distributor_id}"


class LeaveTeam(OfTeam, Command, type="team.leave.v1"):
    team_id: TeamId
    distributor_id: DistributorId
    effective_at: EffectiveAt = None

    def sets(self) -> str:
        return f"membership/{self.distributor_id}"


class TeamCreated(OfTeam, Event, type="team.created.v1"):
    team_id: TeamId
    leader_id: LeaderId
    name: AnyTeamName
    created_at: Timestamp


class LeaderChanged(OfTeam, Event, type="team.leader-changed.v1"):
    team_id: TeamId
    leader_id: LeaderId
    effective_at: Timestamp


class TeamJoined(OfTeam, Event, type="team.joined.v1"):
    team_id: TeamId
    distributor_id: DistributorId
    former_team_id: Annotated[
        Id64 | None, Field(description="The team that the distributor left; absent if there was none.", examples=[7])
    ] = None
    effective_at: Timestamp


class TeamLeft(OfTeam, Event, type="team.left.v1"):
    team_id: TeamId
    distributor_id: DistributorId
    effective_at: Timestamp


class TeamRefused(OfTeam, Refusal, type="team.refused.v1"):
    team_id: TeamId
    reason: Code
    detail: Detail
