"""Scenarios of the workers around the order: alerts, and the reference data that orders are checked against."""

from __future__ import annotations

from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
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
from contracts.operations.v1 import MessageDeadLettered, SettleDeadLetter
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules, RetireRules
from contracts.stock.v1 import StockLow, StockRecovered, StockShortageChanged
from tests.builders import (
    CUP,
    CUPS,
    JOINED,
    MIDDLE,
    NOW,
    SHOP,
    TEA,
    TEAM,
    TEAS,
    TOP,
    a_rule_document,
    message,
    put_in_force,
)
from tests.faults.crash_scenario import LATER, Scenario, noise, say, say_bare


def alerting() -> Scenario:
    """Without a message that dies here: its letter would come back to this worker, with the time of the wall clock."""
    low = StockLow(product_id=TEA, available=3, low_at=3, crossing=1)
    short = StockShortageChanged(product_id=TEA, shortage=2, on_hand=1, reserved=3, crossing=1)
    letters = [
        MessageDeadLettered(
            worker="order_intake",
            queue="order_intake.order.place",
            message_id=name,
            type="order.place.v2",
            reason="malformed_json",
            detail="body: no JSON.",
            attempts=1,
            body="?",
        )
        for name in ("letter-1", "letter-2")
    ]
    discard = [SettleDeadLetter(letter_id=message(letter).id, action="discarded", by="li.na") for letter in letters]
    return Scenario(
        "alerting",
        (
            (say(low), say(low), say(low, again=1)),
            (say(StockRecovered(product_id=TEA, available=9, recovered_at=6, crossing=2)),),
            (say(StockLow(product_id=TEA, available=2, low_at=3, crossing=3)),),
            (say(short), say(short, again=1)),
            (say(short.model_copy(update={"shortage": 1, "crossing": 2})),),
            (say(short.model_copy(update={"shortage": 0, "crossing": 3})),),
            (*map(say, letters), say(letters[0])),
            (
                *map(say, discard),
                say(discard[0], again=1),
                say(discard[0].model_copy(update={"action": "replayed"})),
                say(SettleDeadLetter(letter_id="no-such-letter", action="discarded", by="li.na")),
            ),
        ),
        frozenset(["raised", "outdated", "resolved", "counted", "discarded", "replayed", "duplicate", "refused"]),
        {},
        dead=0,
    )


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


def catalog() -> Scenario:
    tea = DefineProduct(product_id=TEA, name="tea", category_id=TEAS)
    organic = DefineTag(tag_id=3, name="organic")
    return Scenario(
        "catalog",
        (
            (say(tea), say(tea), say(tea, again=1), say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS))),
            (say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)), noise(tea.message_type)),
            (say(organic), say(organic, again=1), say(DefineCategory(category_id=9, name="pots"))),
            (
                say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS, tags=(3,))),
                say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS, tags=(4,))),
            ),
            (say(RemoveTag(tag_id=3)), say(RemoveCategory(category_id=TEAS)), say(RemoveCategory(category_id=9))),
            (say(DefineProduct(product_id=TEA, name="green tea", category_id=TEAS)),),
            (say(RemoveTag(tag_id=3)), say(RemoveTag(tag_id=3), again=1)),
        ),
        frozenset(["defined", "unchanged", "refused", "removed"]),
        {},
        dead=1,
    )


def returning_limits() -> Scenario:
    """Bare definitions of a market that return to what they were."""
    one, two = (say_bare(DefineMarket(market="harbour", levels_paid_max=levels)) for levels in (1, 2))
    return Scenario(
        "rule_book",
        ((one, two, one), (two, two), (one,)),
        frozenset(["defined", "unchanged"]),
        {},
        dead=0,
    )


def rule_book() -> Scenario:
    market, proposal, approval, activation = put_in_force()
    other = a_rule_document(("0.11", "0.04"))
    assert isinstance(proposal, ProposeRules), "that is the order in which rules are put in force"
    return Scenario(
        "rule_book",
        (
            (say(market), say(market), say(market, again=1), noise(market.message_type)),
            (
                say(proposal),
                say(proposal),
                say(proposal, again=1),
                say(proposal.model_copy(update={"rule_version": 2, "rules": other})),
                noise(proposal.message_type),
            ),
            (
                say(approval),
                say(approval, again=1),
                say(ApproveRules(rule_version=2, approved_by="ann", digest="0" * 64)),
            ),
            (say(activation), say(activation, again=1), say(ActivateRules(rule_version=2, activated_by="bob"))),
            (
                say(proposal.model_copy(update={"rules": other})),
                say(RetireRules(rule_version=1, retired_by="ann", effective_from=LATER)),
            ),
        ),
        frozenset(["defined", "proposed", "approved", "activated", "retired", "unchanged", "refused"]),
        {},
        dead=2,
    )
