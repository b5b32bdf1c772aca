"""For every time that a contract allows there is a decision: accept, refuse or wait; never an exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.alert_routing.v1 import CreateSilence
from contracts.exchange_rates.v1 import CurrencyRate, PublishRates
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
from contracts.operations.v1 import SettleDeadLetter
from contracts.orders.v1 import AfterSaleChanged, UnpaidCancelled
from contracts.rules.v1 import ActivateRules, RetireRules
from contracts.rules.view import Market
from contracts.settlement.document import TermsDocument
from contracts.settlement.v1 import ProposeTerms
from contracts.stock.v1 import StockReleaseRequested
from contracts.times import CLOCK_SKEW_MAX
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import PAYLOADS, Command, Payload
from tests.builders import (
    JOINED,
    KEY,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEAM,
    TOP,
    a_distributor,
    a_shop,
    a_team,
    accepted,
    after_sale,
    an_order,
    by_id,
    cancelled,
    completed,
    message,
    order_state,
    paid,
    place,
    refund,
    refunded,
    rules,
    shipped,
    the_chain,
    tick,
    update,
)
from tests.payout_story import a_report
from tests.payout_story import started as started_payout
from tests.stock_builders import a_lot, adjust, an_item, count, receive, reserved, stock_state
from tests.unit.test_commission_accrual import accounts
from tests.unit.test_commission_life import accrued
from workers.alerting.decide import settle_dead_letter
from workers.alerting.model import State as AlertState
from workers.commission_calculation import decide as commissions
from workers.exchange_rates.decide import publish as publish_rates
from workers.exchange_rates.model import State as RatesState
from workers.network import decide as network
from workers.network.model import State as NetworkState
from workers.notification.model import State as NotificationState
from workers.notification.silences import create_silence
from workers.order_intake import decide as orders
from workers.payouts.reports import note_report
from workers.reward_checks.decide import count_sale
from workers.reward_checks.model import State as RewardState
from workers.rule_book import decide as book
from workers.rule_book.model import State as RuleState
from workers.settlement.model import State as SettlementState
from workers.settlement.terms import propose_terms
from workers.stock_reservation import decide as stock
from workers.stock_reservation.model import Pick, Reservation

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
TIMES = (FIRST, FIRST + CLOCK_SKEW_MAX, datetime(1969, 12, 31, tzinfo=UTC), NOW, LAST - timedelta(days=7), LAST)
DAYS = ("0001-01-01", "2026-11-02", "9999-12-31")

_OFFERED = order_state(shop=replace(a_shop(), history_from=FIRST), tenures=(rules(effective_from=FIRST).tenure,))
_SHIPPED = an_order(status="shipped", reserved=True, paid_at=NOW)
_NETWORK = NetworkState(
    distributors={**the_chain(), **by_id(a_distributor(SELLER, teams=[(JOINED, TEAM)]))},
    teams={TEAM: a_team(), 13: a_team(13)},
)
_SHORT = stock_state(
    an_item(501, a_lot(on_hand=1, reserved=2), a_lot("dated", expires_on="9999-12-31"), short=1, asking="once"),
    reservations=[Reservation(f"{SHOP}/{ORDER}", "open", (Pick(501, "default", 2),))],
)
_SHELF = stock_state(an_item(501, a_lot(), a_lot("dated", expires_on="9999-12-31"), low_at=3, recovered_at=6))
_APPROVED = replace(rules(2), stage="approved", activated_by=None, effective_from=None)
_MARKETS = {"default": Market("default", 3)}
_RULES = RuleState({1: rules(), 2: _APPROVED}, _MARKETS)
_HELD = accrued(hold_days=7)

Build = Callable[[Any], Payload]

FIELDS: dict[tuple[str, str], tuple[Any, Any, Build]] = {
    ("payout.report.v1", "occurred_at"): (
        note_report,
        started_payout().state,
        lambda t: a_report("paid", occurred_at=t),
    ),
    ("order.place.v2", "placed_at"): (orders.place, _OFFERED, lambda t: place(placed_at=t)),
    ("shop.register.v1", "history_from"): (
        network.register_shop,
        _NETWORK,
        lambda t: RegisterShop(shop_id=SHOP, currency="CNY", history_from=t),
    ),
    ("distributor.register.v1", "joined_at"): (
        network.register_distributor,
        _NETWORK,
        lambda t: RegisterDistributor(distributor_id=9, joined_at=t),
    ),
    ("distributor.change.v1", "effective_at"): (
        network.change_distributor,
        _NETWORK,
        lambda t: ChangeDistributor(distributor_id=SELLER, tier="gold", effective_at=t),
    ),
    ("distributor.move.v1", "effective_at"): (
        network.move_distributor,
        _NETWORK,
        lambda t: MoveDistributor(distributor_id=SELLER, sponsor_id=TOP, effective_at=t),
    ),
    ("team.create.v1", "created_at"): (
        network.create_team,
        _NETWORK,
        lambda t: CreateTeam(team_id=9, leader_id=TOP, name="N", created_at=t),
    ),
    ("team.change-leader.v1", "effective_at"): (
        network.change_leader,
        _NETWORK,
        lambda t: ChangeLeader(team_id=TEAM, leader_id=TOP, effective_at=t),
    ),
    ("team.join.v1", "effective_at"): (
        network.join_team,
        _NETWORK,
        lambda t: JoinTeam(team_id=13, distributor_id=SELLER, effective_at=t),
    ),
    ("team.leave.v1", "effective_at"): (
        network.leave_team,
        _NETWORK,
        lambda t: LeaveTeam(team_id=TEAM, distributor_id=SELLER, effective_at=t),
    ),
    ("rules.activate.v1", "effective_from"): (
        book.activate,
        _RULES,
        lambda t: ActivateRules(rule_version=2, activated_by="bob", effective_from=t),
    ),
    ("rules.retire.v1", "effective_from"): (
        book.retire,
        _RULES,
        lambda t: RetireRules(rule_version=1, retired_by="bob", effective_from=t),
    ),
    ("settlement.propose-terms.v1", "effective_from"): (
        propose_terms,
        SettlementState(),
        lambda t: ProposeTerms(
            terms_version=1, proposed_by="ann", effective_from=t, terms=TermsDocument(market="default")
        ),
    ),
    ("silence.create.v1", "until"): (
        create_silence,
        NotificationState(),
        lambda t: CreateSilence(silence_id="s-1", kinds=("stock_low",), until=t, reason="Stocktaking.", by="ann"),
    ),
    ("exchange-rates.publish.v1", "as_of"): (
        publish_rates,
        RatesState(),
        lambda t: PublishRates(
            table_id="t-1",
            source="treasury",
            base="EUR",
            as_of=t,
            rates=(CurrencyRate(currency="USD", rate="1.0920"),),
            proposed_by="ann",
        ),
    ),
    ("stock.receive.v1", "expiry_date"): (stock.receive, _SHELF, lambda day: receive(batch_id="b", expiry_date=day)),
    ("stock.set.v1", "expiry_date"): (stock.count, _SHELF, lambda day: count(batch_id="dated", expiry_date=day)),
}
"""Each time field of a command: the rule, a state in which it matters, and how to build the command."""

SENT: dict[str, tuple[Any, Any, Payload]] = {
    "place": (orders.place, _OFFERED, place()),
    **{
        status: (orders.update_status, order_state(before), update(status))
        for status, before in (
            ("paid", an_order(reserved=True, due_at=NOW)),
            ("shipped", an_order(status="paid", reserved=True, paid_at=NOW)),
            ("completed", _SHIPPED),
            ("cancelled", an_order()),
        )
    },
    "refund": (orders.refund, order_state(_SHIPPED), refund()),
    "after-sale": (orders.change_after_sale, order_state(_SHIPPED), after_sale()),
    "stock reserved": (orders.note_reserved, order_state(an_order()), reserved()),
    "stock reserved, prepaid": (orders.note_reserved, order_state(an_order(prepaid=True)), reserved()),
    "receive": (stock.receive, _SHELF, receive(low_at=20)),
    "adjust": (stock.adjust, _SHELF, adjust()),
    "count": (stock.count, _SHELF, count()),
    "unpaid orders cancelled": (stock.take_back, _SHORT, UnpaidCancelled(product_id=501, request=1, orders=())),
    "units requested": (
        orders.cancel_unpaid,
        order_state(an_order(reserved=True, due_at=NOW)),
        StockReleaseRequested(product_id=501, request=1, shortage=1),
    ),
    "order shipped": (stock.ship, _SHORT, shipped()),
    "order accepted": (stock.reserve, _SHELF, accepted()),
    "accrue": (commissions.accrue, accounts(), paid()),
    "after-sale changed": (
        commissions.note_after_sale,
        accrued(completed_at=NOW),
        AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=7, open=False),
    ),
    "refunded": (commissions.take_back, _HELD, refunded()),
    "order cancelled": (commissions.take_back_all, _HELD, cancelled()),
    "settle": (settle_dead_letter, AlertState(), SettleDeadLetter(letter_id="letter-1", action="discarded", by="ann")),
    "change": (network.change_distributor, _NETWORK, ChangeDistributor(distributor_id=SELLER, tier="gold")),
    "move": (network.move_distributor, _NETWORK, MoveDistributor(distributor_id=SELLER, sponsor_id=TOP)),
    "activate": (book.activate, _RULES, ActivateRules(rule_version=2, activated_by="bob")),
    "retire": (book.retire, _RULES, RetireRules(rule_version=1, retired_by="bob")),
}
"""Messages that are sent at some time, by a shop or by another worker."""

CARRIED: dict[str, tuple[Any, Any, Build]] = {
    "the end of a hold": (commissions.start_hold, _HELD, lambda t: completed(completed_at=t)),
    "a release": (commissions.release, accrued(release_at=NOW), tick),
    "a payment deadline": (orders.cancel_overdue, order_state(an_order(reserved=True, due_at=NOW)), tick),
    "a month": (count_sale, RewardState(rules={1: rules()}), lambda t: paid(placed_at=t)),
    "an accrual": (commissions.accrue, accounts(), lambda t: paid(placed_at=t)),
}
"""Times in the events of our own workers."""


def is_time(field: dict[str, Any]) -> bool:
    """Whether a field of a schema holds a time or a day."""
    options = field.get("anyOf", [field])
    return any(o.get("format") == "date-time" or o.get("pattern", "").startswith("^[0-9]{4}-(0[1-9]") for o in options)


def test_the_table_has_every_time_field_of_a_command() -> None:
    carried = {
        (payload.message_type, name)
        for payload in PAYLOADS.values()
        if issubclass(payload, Command)
        for name, field in payload.model_json_schema()["properties"].items()
        if is_time(field)
    }

    assert carried == FIELDS.keys()


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
def test_there_is_a_decision_for_any_time_in_a_command(field: tuple[str, str]) -> None:
    decide, state, build = FIELDS[field]
    for time in DAYS if field[1] == "expiry_date" else TIMES:
        assert isinstance(decide(state, message(build(time), time=NOW)), Decision | NotYet)


@pytest.mark.parametrize("name", SENT)
def test_there_is_a_decision_for_any_time_of_a_message(name: str) -> None:
    decide, state, payload = SENT[name]
    for time in TIMES:
        assert isinstance(decide(state, message(payload, time=time, received_at=NOW)), Decision | NotYet)


@pytest.mark.parametrize("name", CARRIED)
def test_there_is_a_decision_for_any_time_in_an_event(name: str) -> None:
    decide, state, event = CARRIED[name]
    for time in TIMES:
        assert isinstance(decide(state, message(event(time))), Decision | NotYet)


def test_a_hold_beyond_the_calendar_ends_with_the_calendar() -> None:
    answer: Any = commissions.start_hold(_HELD, message(completed(completed_at=LAST)))

    assert answer.state.commissions[KEY].release_at == LAST
