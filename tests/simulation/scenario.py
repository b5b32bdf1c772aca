"""What shops send in a run: little, but of every kind, in any order, twice, or faulty.

Stock is tight, so that some orders run short and alerts open and close; the month's sales cross their target.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from contracts.catalog.v1 import DefineProduct
from contracts.money import to_amount
from contracts.network.v1 import CreateTeam, JoinTeam, MoveDistributor, RegisterDistributor, RegisterShop
from contracts.orders.v2 import Line, PlaceOrder
from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.digests import digest_of as terms_digest
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of as settlement_terms
from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from contracts.wire.envelope import COMMANDS_EXCHANGE, STRUCTURED
from contracts.wire.reading import UNREADABLE_PROPERTY, unhandled_body
from infra.ports.messaging import Outgoing
from infra.runtime.decoding import cannot_decode
from infra.runtime.worker import Worker
from tests import builders
from tests.builders import CUP, CUPS, JOINED, TEA, TEAS, a_refund_line, after_sale, place, refund, update
from tests.simulation.broker import UNDECODABLE
from tests.simulation.chains import value_chains
from tests.simulation.payees import send_payees
from tests.simulation.routes import send_routes
from tests.simulation.tenants import forge
from tests.simulation.traffic import Arrival, Traffic, reader_of
from tests.simulation.webhooks import send_webhooks
from tests.simulation.world import (
    GOOD_UNTIL,
    IN_WEST,
    LEADER,
    MEMBERS,
    PAYMENT_DEADLINE_S,
    POISON,
    RULES,
    SHOPS,
    SPONSORS,
    START,
    STUMBLING,
    TEAM,
    TIERS,
    TRAFFIC_S,
    UNPAID_MAX,
    WEST,
)
from tests.stock_builders import adjust, count, receive

_STATUS_CHANGES: Sequence[tuple[str, ...]] = (
    ("paid", "shipped", "completed"),
    ("paid", "shipped", "completed"),
    ("shipped", "completed"),
    ("paid",),
    ("paid", "cancelled"),
    ("cancelled",),
    ("paid", "shipped", "cancelled"),
    (),
)


def generate_traffic(rng: random.Random, workers: Sequence[Worker]) -> Traffic:
    traffic = Traffic(rng, workers, moments=tuple(rng.random() for _ in range(rng.choice((1, 2, 3, 5, 50)))))
    _send_reference_data(traffic)
    send_routes(traffic)
    send_webhooks(traffic)
    rests = [_order(traffic, number) for number in range(1, rng.randint(7, 11))]
    _send_together(traffic, [command for command in rests if command is not None])
    for odd, chance in (
        (_poison, 0.15),
        (_stumbling, 0.2),
        (_unreadable, 0.5),
        (_refusable, 0.5),
        (_undecodable, 0.3),
        (_value_chains, 0.7),
        (_using_ids_twice, 0.5),
        (_counting_short, 0.5),
        (forge, 0.6),
        (_distributors_own, 0.5),
        (_settlement, 0.8),
    ):
        if rng.random() < chance:
            odd(traffic)
    send_payees(traffic)
    return traffic


def _send_reference_data(traffic: Traffic) -> None:
    """The data against which orders are checked comes first, or late."""
    rng = traffic.rng
    within_s = rng.choice((0.001, 2.0, 60.0))
    for shop_id, currency in SHOPS.items():
        market = WEST if shop_id == "shop-3" else "default"
        shop = RegisterShop(
            shop_id=shop_id,
            currency=currency,
            payment_deadline_s=PAYMENT_DEADLINE_S,
            market=market,
            distributor_unpaid_orders_max=UNPAID_MAX,
        )
        traffic.send(shop, within_s=within_s)
    chain = [
        RegisterDistributor(
            distributor_id=distributor_id, sponsor_id=sponsor_id, joined_at=JOINED, tier=TIERS[distributor_id]
        )
        for distributor_id, sponsor_id in SPONSORS.items()
    ]
    if rng.random() < 0.5:
        traffic.send(*chain, within_s=within_s)
    else:
        for distributor in chain:
            traffic.send(distributor, within_s=within_s)
    traffic.send(DefineProduct(product_id=TEA, name="tea", category_id=TEAS), within_s=within_s)
    traffic.send(DefineProduct(product_id=CUP, name="cup", category_id=CUPS), within_s=within_s)
    traffic.send(receive("r-tea", TEA, rng.randint(8, 14), low_at=5), within_s=within_s)
    traffic.send(receive("r-cup", CUP, rng.randint(4, 8), low_at=2), within_s=within_s)
    if rng.random() < 0.6:
        soon = receive("r-soon", TEA, rng.randint(3, 8), batch_id="soon", expiry_date=GOOD_UNTIL)
        traffic.send(soon, within_s=within_s)
    traffic.send(receive("r-more", TEA, rng.randint(4, 10), batch_id="lot-2"), times=rng.choice((1, 2)))
    traffic.send(adjust("a-tea", TEA, rng.choice((-3, -1, 2))))
    if rng.random() < 0.7:
        traffic.send(CreateTeam(team_id=TEAM, leader_id=LEADER, name="East", created_at=JOINED), within_s=within_s)
        for member in MEMBERS:
            traffic.send(JoinTeam(team_id=TEAM, distributor_id=member, effective_at=JOINED), within_s=within_s)
    if rng.random() < 0.3:
        _move_in_a_circle(traffic)
    traffic.send(DefineMarket(market="default", levels_paid_max=3), within_s=0.0)
    traffic.send(DefineMarket(market=WEST, levels_paid_max=3), within_s=0.0)
    _put_in_force(traffic, 1, within_s)
    _put_in_force(traffic, IN_WEST, within_s)
    if rng.random() < 0.5:
        _put_in_force(traffic, 2, within_s)


def _move_in_a_circle(traffic: Traffic) -> None:
    """Two moves that would together close a cycle; from tomorrow on, so that no order of the run sees them."""
    tomorrow = START + timedelta(days=1)
    traffic.send(MoveDistributor(distributor_id=2, sponsor_id=4, effective_at=tomorrow))
    traffic.send(MoveDistributor(distributor_id=4, sponsor_id=3, effective_at=tomorrow))


def _put_in_force(traffic: Traffic, version: int, within_s: float) -> None:
    """Three commands of three types, which may come in any order. Version 2 begins while orders are placed."""
    document = RuleDocument.model_validate(RULES[version])
    digest = digest_of(terms_of(document))
    traffic.send(ProposeRules(rule_version=version, proposed_by="ann", rules=document), within_s=within_s)
    traffic.send(ApproveRules(rule_version=version, approved_by="bob", digest=digest), within_s=within_s)
    begins = START + timedelta(minutes=2) if version == 2 else JOINED
    traffic.send(ActivateRules(rule_version=version, activated_by="bob", effective_from=begins), within_s=within_s)


def _order(traffic: Traffic, number: int) -> PlaceOrder | None:
    """Send an order and its status changes; or return the order, to be sent together with others."""
    rng = traffic.rng
    shop_id = rng.choice(("shop-1", "shop-1", "shop-2", "shop-3"))
    order_id = str(1000 + number)
    for status in (*rng.choice(_STATUS_CHANGES), *(("cancelled",) if rng.random() < 0.1 else ())):
        step = update(status, order_id).model_copy(update={"shop_id": shop_id})
        traffic.send(step, times=2 if rng.random() < 0.15 else 1)
    if rng.random() < 0.3:
        _send_simple(traffic, shop_id, order_id)
        return None
    command = _command(rng, shop_id, order_id)
    if rng.random() < 0.6:
        _give_back(traffic, command)
    if rng.random() < 0.15:
        # The shop sends the same order again, under a new id.
        traffic.send(command)
    if rng.random() < 0.15:
        traffic.send(
            command.model_copy(update={"distributor_id": rng.choice((1, 2, 3, 4)), "shipping": Decimal("3.00")})
        )
    if rng.random() < 0.3:
        return command
    traffic.send(command, within_s=rng.choice((5.0, TRAFFIC_S)), times=2 if rng.random() < 0.2 else 1)
    return None


def _give_back(traffic: Traffic, command: PlaceOrder) -> None:
    """Refund part of an order, or all of it in parts; some twice, some too much, or while an after-sale case is open.

    Units with and without an amount, money without units, and sometimes all the money of a line.
    """
    rng = traffic.rng
    about = {"shop_id": command.shop_id}
    for number, line in enumerate(command.lines, start=1):
        for part in range(rng.choice((1, 2, 3, line.quantity))):
            units = rng.choice((0, 1, 1, 2))
            amounts = ("1.11", "1.11", "60.00", str(line.amount - line.discount))
            amount = rng.choice((None, None, None, *amounts) if units else amounts)
            wanted = refund(
                a_refund_line(line.product_id, units, amount),
                refund_id=f"refund-{number}-{part}",
                order_id=command.order_id,
            ).model_copy(update=about)
            traffic.send(wanted, times=rng.choice((1, 1, 2)))
    if rng.random() < 0.3:
        traffic.send(after_sale(True, command.order_id).model_copy(update=about))
        traffic.send(after_sale(False, command.order_id).model_copy(update=about))


def _command(rng: random.Random, shop_id: str, order_id: str) -> PlaceOrder:
    products = rng.sample((TEA, CUP), rng.choice((1, 1, 2)))
    if rng.random() < 0.15:
        products.append(products[0])
    lines = tuple(
        Line(
            product_id=product_id,
            quantity=rng.randint(1, 4 if len(products) < 3 else 2),
            amount=Decimal(rng.randint(1000, 9999)) / 100,
            discount=Decimal(rng.choice((0, 0, 333))) / 100,
        )
        for product_id in products
    )
    return place(
        order_id,
        lines=lines,
        shop_id=shop_id,
        distributor_id=rng.choice(tuple(SPONSORS)),
        prepaid=rng.random() < 0.5,
        placed_at=START + timedelta(minutes=rng.choice((-120, 0, 5))),
    )


def _send_simple(traffic: Traffic, shop_id: str, order_id: str) -> None:
    """A bare body of version 1, as the simplest shop sends it: without an envelope."""
    rng = traffic.rng
    order: dict[str, Any] = {
        "shop_id": shop_id,
        "order_id": order_id,
        "distributor_id": rng.choice(tuple(SPONSORS)),
        "product_id": rng.choice((TEA, CUP)),
        "quantity": rng.randint(1, 3),
        "total_price": f"{rng.randint(10, 90)}.{rng.randint(0, 99):02d}",
    }
    line = Line(product_id=order["product_id"], quantity=order["quantity"], amount=Decimal(order["total_price"]))
    command = PlaceOrder(shop_id=shop_id, order_id=order_id, distributor_id=order["distributor_id"], lines=(line,))
    traffic.commands[command.key].append(command)
    times = 2 if rng.random() < 0.2 else 1
    login = traffic.login_of(shop_id)
    traffic.send_bytes("order.place.v1", json.dumps(order).encode(), "application/json", times=times, login=login)


def _send_together(traffic: Traffic, commands: Sequence[PlaceOrder]) -> None:
    if commands:
        traffic.send(*commands, times=traffic.rng.choice((1, 2)))


def _undecodable(traffic: Traffic) -> None:
    """A valid order with a property that the client library cannot decode."""
    message = builders.message(_command(traffic.rng, "shop-1", "undecodable"), id="undecodable", time=START)
    queue, _ = reader_of(message.type, traffic.workers)
    undecoded = traffic.rng.choice(("timestamp (9)", "message_id (ff)"))
    headers = {UNDECODABLE: undecoded}
    outgoing = Outgoing(COMMANDS_EXCHANGE, message.type, message.to_bytes(), STRUCTURED, headers=headers)
    item = unhandled_body(
        outgoing.body,
        UNREADABLE_PROPERTY,
        cannot_decode(undecoded),
        content_type=STRUCTURED,
        routing_key=message.type,
        read=[message],
    )
    traffic.keys[queue].add(item.key)
    traffic.dead[item.id] = item.reason
    for _ in range(traffic.rng.choice((1, 2))):
        traffic.arrivals.append(Arrival(int(traffic.rng.choice(traffic.moments) * TRAFFIC_S * 1000), queue, outgoing))


def _poison(traffic: Traffic) -> None:
    """An order that ends its process, alone or in a batch."""
    rng = traffic.rng
    command = _command(rng, "shop-1", POISON)
    if rng.random() < 0.5:
        traffic.send(command, dead="ends_its_process")
        return
    neighbour = _command(rng, "shop-1", "2001")
    traffic.send(neighbour, command, _command(rng, "shop-1", "2002"))
    traffic.dead[f"sent-{traffic._numbers - 1}"] = "ends_its_process"


def _stumbling(traffic: Traffic) -> None:
    traffic.send(_command(traffic.rng, "shop-1", STUMBLING), dead="handler_error")


def _value_chains(traffic: Traffic) -> None:
    traffic.chains += value_chains(traffic.rng, lambda message_type: reader_of(message_type, traffic.workers)[0])


def _using_ids_twice(traffic: Traffic) -> None:
    """Two orders under one id, and a status that carries the id of its order."""
    commands = [_command(traffic.rng, "shop-1", order_id) for order_id in ("4001", "4002")]
    for command in commands:
        traffic.send(command, used_id="used", times=traffic.rng.choice((1, 2)))
    traffic.send(update("paid", "4001"), used_id="used", times=traffic.rng.choice((1, 2)))


def _counting_short(traffic: Traffic) -> None:
    """A count finds less than orders have reserved; some stock is received later."""
    rng = traffic.rng
    for product_id in (TEA, CUP):
        traffic.send(count(f"c-{product_id}", product_id, rng.choice((0, 1, 3))), times=rng.choice((1, 2)))
        if rng.random() < 0.5:
            traffic.send(adjust(f"a-short-{product_id}", product_id, -1))
        if rng.random() < 0.5:
            traffic.send(receive(f"r-late-{product_id}", product_id, rng.randint(1, 6), batch_id="late"))


def _distributors_own(traffic: Traffic) -> None:
    """More orders of one distributor, with two logins, than they may have unpaid, in batches or at the same time."""
    rng = traffic.rng
    within_s = rng.choice((0.001, 5.0, TRAFFIC_S))
    for number in range(UNPAID_MAX + 2):
        command = _command(rng, "shop-1", f"o-{number}").model_copy(update={"prepaid": False})
        source = f"{builders.BY_DISTRIBUTOR}{rng.choice((1, 2))}/{builders.SELLER}"
        traffic.send(command, source=source, within_s=within_s, times=rng.choice((1, 1, 2)))
    if rng.random() < 0.5:
        traffic.send(update(rng.choice(("paid", "cancelled")), "o-0"), within_s=within_s)


def _settlement(traffic: Traffic) -> None:
    """Days as periods, so that one closes in the run; distributors closed off-cycle meanwhile, and adjustments."""
    rng = traffic.rng
    for version, market in enumerate(("default", WEST), start=1):
        document = TermsDocument(market=market, period="day", grace_hours=0, tax_rule="cn_labour")
        digest = terms_digest(settlement_terms(document))
        traffic.send(ProposeTerms(terms_version=version, proposed_by="ann", terms=document), within_s=0.0)
        traffic.send(ApproveTerms(terms_version=version, approved_by="bob", digest=digest), within_s=0.001)
    today = START.date().isoformat()
    for distributor_id in (1, 2, 3):
        close = ClosePeriod(market="default", period=today, distributor_id=distributor_id, by="ann")
        for _ in range(rng.choice((0, 1, 2, 4))):
            traffic.send(close, within_s=rng.choice((TRAFFIC_S, 10 * TRAFFIC_S)), times=rng.choice((1, 1, 2)))
    for number in range(rng.choice((0, 1, 2))):
        _adjustment(traffic, f"adjustment-{number}")


def _adjustment(traffic: Traffic, adjustment_id: str) -> None:
    amount = traffic.rng.choice((-3_00, 2_50))
    fields = ("adjustment", "default", 2, "CNY", amount, "goodwill", "Late.")
    command = ProposeAdjustment(
        adjustment_id=adjustment_id,
        distributor_id=2,
        currency="CNY",
        amount=to_amount(amount, "CNY"),
        reason="goodwill",
        note="Late.",
        proposed_by="ann",
    )
    traffic.send(command, times=traffic.rng.choice((1, 2)))
    approval = ApproveAdjustment(adjustment_id=adjustment_id, digest=adjustment_digest(*fields), approved_by="bob")
    traffic.send(approval, times=traffic.rng.choice((1, 2)))


def _unreadable(traffic: Traffic) -> None:
    """Unreadable messages; equal bytes twice are one message."""
    times = traffic.rng.choice((1, 2))
    traffic.send_bytes(
        "order.place.v1",
        b'{"shop_id": "shop-1", ',
        "application/json",
        times=times,
        dead="malformed_json",
        login=traffic.login_of("shop-1"),
    )
    odd = {"specversion": "1.0", "id": "odd", "source": "test", "type": "stock.receive.v9", "data": {}}
    traffic.send_bytes("stock.receive.v1", json.dumps(odd).encode(), STRUCTURED, dead="unknown_type")


def _refusable(traffic: Traffic) -> None:
    """Invalid messages that name their subject, so that they are refused by an event."""
    order = {"shop_id": "shop-1", "order_id": "3001", "distributor_id": 3, "product_id": TEA, "quantity": 0}
    login = traffic.login_of("shop-1")
    traffic.send_bytes("order.place.v1", json.dumps(order).encode(), "application/json", times=2, login=login)
    status = {"shop_id": "shop-1", "order_id": "3001", "status": "lost"}
    traffic.send_bytes("order.update-status.v1", json.dumps(status).encode(), "application/json", login=login)
    traffic.send(update("paid", "never-placed"))
