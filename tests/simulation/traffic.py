"""What the outside world says in a run: small, but everything that shops do, in any order, twice, or wrong.

Stock is tight, so that some orders run short and alerts come and go; the month's sales cross their target.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from contracts.catalog.v1 import DefineProduct
from contracts.envelope import BATCH, COMMANDS_EXCHANGE, STRUCTURED, Payload
from contracts.network.v1 import CreateTeam, JoinTeam, MoveDistributor, RegisterDistributor, RegisterShop
from contracts.orders.v2 import Line, PlaceOrder
from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules
from contracts.wire import Reader
from infra.runtime.messaging import Outgoing
from infra.runtime.worker import Handler, Worker
from tests import builders
from tests.builders import (
    CUP,
    CUPS,
    JOINED,
    TEA,
    TEAS,
    a_refund_line,
    adjust,
    after_sale,
    place,
    receive,
    refund,
    update,
)
from tests.simulation.chains import Chain, changing_its_mind

START = builders.NOW
SHOPS = {"shop-1": "CNY", "shop-2": "USD"}
SPONSORS: Mapping[int, int | None] = {1: None, 2: 1, 3: 2, 4: 1}
TIERS: Mapping[int, str] = {1: "gold", 2: "silver", 3: "silver", 4: "standard"}
TEAM, LEADER, MEMBERS = 7, 1, (3, 4)
DEADLY, STUMBLING = "deadly", "stumbling"
"""Orders whose rule ends the process, or raises."""

PAYMENT_DEADLINE_S = 600
TALK_S = 150
"""How long the outside world talks."""


def _document(version: int) -> dict[str, Any]:
    """Version 2 pays other rates and holds them for a day, which is longer than a run."""
    levels = ["0.10", "0.05", "0.03"] if version == 1 else ["0.12", "0.055"]
    return {
        "title": f"rules {version}",
        "pool_rate": "0.21",
        "hold_days": version - 1,
        "plans": [
            {
                "plan": "unilevel",
                "name": "levels",
                "rates": levels,
                "overrides": [{"category_id": CUPS, "rates": ["0.081", "0.037"]}],
                "caps": [{"per": "order", "currency": "CNY", "amount": "9.00"}],
                "compression": version == 2,
            },
            {
                "plan": "differential",
                "name": "steps",
                "rates": {"silver": "0.007", "gold": "0.013"},
                "peer_rate": "0.002",
                "levels_max": 3,
            },
            {"plan": "team_bonus", "name": "team", "rate": "0.011"},
        ],
        "targets": [
            {"reward": "monthly_sales", "currency": currency, "target": target, "bonus": "5.00"}
            for currency, target in (("CNY", "120.00"), ("USD", "200.00"))
        ],
    }


RULES: Mapping[int, dict[str, Any]] = {version: _document(version) for version in (1, 2)}

_STORIES: Sequence[tuple[str, ...]] = (
    ("paid", "shipped", "completed"),
    ("paid", "shipped", "completed"),
    ("shipped", "completed"),
    ("paid",),
    ("paid", "cancelled"),
    ("cancelled",),
    ("paid", "shipped", "cancelled"),
    (),
)


@dataclass(frozen=True, slots=True)
class Said:
    """One AMQP message from outside; `queue` is where it goes."""

    at_ms: int
    queue: str
    outgoing: Outgoing


@dataclass(slots=True)
class Traffic:
    """`keys` are the messages each queue must account for, `dead` those that must end as dead letters, and why.

    `used` has the digests of all commands that were sent under one key.
    """

    rng: random.Random
    workers: Sequence[Worker]
    said: list[Said] = field(default_factory=list)
    keys: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    dead: dict[str, str] = field(default_factory=dict)
    wishes: defaultdict[str, list[PlaceOrder]] = field(default_factory=lambda: defaultdict(list))
    chains: list[Chain] = field(default_factory=list)
    used: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    moments: tuple[float, ...] = ()
    """When the outside world talks, as parts of its time: all at once, in bursts, or now and then."""
    _numbers: int = 0

    def say(
        self,
        *payloads: Payload,
        within_s: float = TALK_S,
        times: int = 1,
        dead: str | None = None,
        used_id: str | None = None,
    ) -> None:
        """Payloads of one type, in one AMQP message, which arrives `times` times; `used_id` is one used elsewhere."""
        messages = []
        for payload in payloads:
            self._numbers += 1
            message = builders.message(payload, id=used_id or f"said-{self._numbers}", time=START)
            messages.append(message)
            if used_id is not None and message.digest is not None:
                self.used[message.key].add(message.digest)
            if isinstance(payload, PlaceOrder):
                self.wishes[payload.key].append(payload)
        bodies = [message.to_bytes() for message in messages]
        body, content_type = (bodies[0], STRUCTURED) if len(bodies) == 1 else (b"[" + b",".join(bodies) + b"]", BATCH)
        self.say_bytes(payloads[0].message_type, body, content_type, within_s=within_s, times=times, dead=dead)

    def say_bytes(
        self,
        message_type: str,
        body: bytes,
        content_type: str,
        *,
        within_s: float = TALK_S,
        times: int = 1,
        dead: str | None = None,
    ) -> None:
        queue, handler = _reader_of(message_type, self.workers)
        items = _reader(handler.payloads).read(
            body, content_type=content_type, routing_key=message_type, received_at=START
        )
        self.keys[queue].update(item.key for item in items if item.key not in self.used)
        if dead is not None:
            self.dead.update((item.id, dead) for item in items)
        outgoing = Outgoing(COMMANDS_EXCHANGE, message_type, body, content_type)
        for _ in range(times):
            self.said.append(Said(int(self.rng.choice(self.moments) * within_s * 1000), queue, outgoing))


@cache
def _reader(payloads: tuple[type[Payload], ...]) -> Reader:
    return Reader(payloads)


def _reader_of(message_type: str, workers: Sequence[Worker]) -> tuple[str, Handler]:
    for worker in workers:
        for handler in worker.handlers:
            if any(payload.message_type == message_type for payload in handler.payloads):
                return worker.queue_of(handler), handler
    raise AssertionError(f"nobody reads {message_type}")


def talk(rng: random.Random, workers: Sequence[Worker]) -> Traffic:
    traffic = Traffic(rng, workers, moments=tuple(rng.random() for _ in range(rng.choice((1, 2, 3, 5, 50)))))
    _set_the_stage(traffic)
    rests = [_order(traffic, number) for number in range(1, rng.randint(7, 11))]
    _say_together(traffic, [wish for wish in rests if wish is not None])
    for odd, chance in (
        (_deadly, 0.15),
        (_stumbling, 0.2),
        (_unreadable, 0.5),
        (_refusable, 0.5),
        (_changing_its_mind, 0.7),
        (_using_ids_twice, 0.5),
    ):
        if rng.random() < chance:
            odd(traffic)
    return traffic


def _set_the_stage(traffic: Traffic) -> None:
    """What orders are checked against comes first, or late, as it happens."""
    rng = traffic.rng
    within_s = rng.choice((0.001, 2.0, 60.0))
    for shop_id, currency in SHOPS.items():
        traffic.say(
            RegisterShop(shop_id=shop_id, currency=currency, payment_deadline_s=PAYMENT_DEADLINE_S), within_s=within_s
        )
    chain = [
        RegisterDistributor(
            distributor_id=distributor_id, sponsor_id=sponsor_id, joined_at=JOINED, tier=TIERS[distributor_id]
        )
        for distributor_id, sponsor_id in SPONSORS.items()
    ]
    if rng.random() < 0.5:
        traffic.say(*chain, within_s=within_s)
    else:
        for distributor in chain:
            traffic.say(distributor, within_s=within_s)
    traffic.say(DefineProduct(product_id=TEA, name="tea", category_id=TEAS), within_s=within_s)
    traffic.say(DefineProduct(product_id=CUP, name="cup", category_id=CUPS), within_s=within_s)
    traffic.say(receive("r-tea", TEA, rng.randint(8, 14), low_at=5), within_s=within_s)
    traffic.say(receive("r-cup", CUP, rng.randint(4, 8), low_at=2), within_s=within_s)
    traffic.say(receive("r-more", TEA, rng.randint(4, 10), batch_id="lot-2"), times=rng.choice((1, 2)))
    traffic.say(adjust("a-tea", TEA, rng.choice((-3, -1, 2))))
    if rng.random() < 0.7:
        traffic.say(CreateTeam(team_id=TEAM, leader_id=LEADER, name="East", created_at=JOINED), within_s=within_s)
        for member in MEMBERS:
            traffic.say(JoinTeam(team_id=TEAM, distributor_id=member, effective_at=JOINED), within_s=within_s)
    if rng.random() < 0.3:
        _move_in_a_circle(traffic)
    traffic.say(DefineMarket(market="default", levels_paid_max=3), within_s=0.0)
    _put_in_force(traffic, 1, within_s)
    if rng.random() < 0.5:
        _put_in_force(traffic, 2, within_s)


def _move_in_a_circle(traffic: Traffic) -> None:
    """Two moves that would together close a cycle; from tomorrow on, so that no order of the run sees them."""
    tomorrow = START + timedelta(days=1)
    traffic.say(MoveDistributor(distributor_id=2, sponsor_id=4, effective_at=tomorrow))
    traffic.say(MoveDistributor(distributor_id=4, sponsor_id=3, effective_at=tomorrow))


def _put_in_force(traffic: Traffic, version: int, within_s: float) -> None:
    """Three commands of three types, which may come in any order. Version 2 begins while orders are placed."""
    document = RuleDocument.model_validate(RULES[version])
    digest = digest_of(terms_of(document))
    traffic.say(ProposeRules(rule_version=version, proposed_by="ann", rules=document), within_s=within_s)
    traffic.say(ApproveRules(rule_version=version, approved_by="bob", digest=digest), within_s=within_s)
    begins = JOINED if version == 1 else START + timedelta(minutes=2)
    traffic.say(ActivateRules(rule_version=version, activated_by="bob", effective_from=begins), within_s=within_s)


def _order(traffic: Traffic, number: int) -> PlaceOrder | None:
    """Say an order and what becomes of it; or hand the order back, to be said together with others."""
    rng = traffic.rng
    shop_id = rng.choice(("shop-1", "shop-1", "shop-2"))
    order_id = str(1000 + number)
    for status in (*rng.choice(_STORIES), *(("cancelled",) if rng.random() < 0.1 else ())):
        step = update(status, order_id).model_copy(update={"shop_id": shop_id})
        traffic.say(step, times=2 if rng.random() < 0.15 else 1)
    if rng.random() < 0.3:
        _say_simple(traffic, shop_id, order_id)
        return None
    wish = _wish(rng, shop_id, order_id)
    if rng.random() < 0.4:
        _give_back(traffic, wish)
    if rng.random() < 0.15:
        # The shop has forgotten that it sent the order: the same again, under an id of its own.
        traffic.say(wish)
    if rng.random() < 0.15:
        traffic.say(wish.model_copy(update={"distributor_id": rng.choice((1, 2, 3, 4)), "shipping": Decimal("3.00")}))
    if rng.random() < 0.3:
        return wish
    traffic.say(wish, within_s=rng.choice((5.0, TALK_S)), times=2 if rng.random() < 0.2 else 1)
    return None


def _give_back(traffic: Traffic, wish: PlaceOrder) -> None:
    """Part of an order, or in parts all of it; some of it twice, some of it too much, or while something is open."""
    rng = traffic.rng
    about = {"shop_id": wish.shop_id}
    for number, line in enumerate(wish.lines, start=1):
        for part in range(rng.choice((1, 1, 2, line.quantity))):
            amount = rng.choice((None, None, "1.11", "60.00"))
            wanted = refund(
                a_refund_line(line.product_id, 1, amount), refund_id=f"refund-{number}-{part}", order_id=wish.order_id
            ).model_copy(update=about)
            traffic.say(wanted, times=rng.choice((1, 1, 2)))
    if rng.random() < 0.3:
        traffic.say(after_sale(True, wish.order_id).model_copy(update=about))
        traffic.say(after_sale(False, wish.order_id).model_copy(update=about))


def _wish(rng: random.Random, shop_id: str, order_id: str) -> PlaceOrder:
    products = rng.sample((TEA, CUP), rng.choice((1, 1, 2)))
    lines = tuple(
        Line(
            product_id=product_id,
            quantity=rng.randint(1, 4),
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


def _say_simple(traffic: Traffic, shop_id: str, order_id: str) -> None:
    """A bare body of version 1; the simplest shop knows no envelope."""
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
    wish = PlaceOrder(shop_id=shop_id, order_id=order_id, distributor_id=order["distributor_id"], lines=(line,))
    traffic.wishes[wish.key].append(wish)
    times = 2 if rng.random() < 0.2 else 1
    traffic.say_bytes("order.place.v1", json.dumps(order).encode(), "application/json", times=times)


def _say_together(traffic: Traffic, wishes: Sequence[PlaceOrder]) -> None:
    if wishes:
        traffic.say(*wishes, times=traffic.rng.choice((1, 2)))


def _deadly(traffic: Traffic) -> None:
    """An order that takes its process with it, by itself or among others."""
    rng = traffic.rng
    wish = _wish(rng, "shop-1", DEADLY)
    if rng.random() < 0.5:
        traffic.say(wish, dead="ends_its_process")
        return
    neighbour = _wish(rng, "shop-1", "2001")
    traffic.say(neighbour, wish, _wish(rng, "shop-1", "2002"))
    traffic.dead[f"said-{traffic._numbers - 1}"] = "ends_its_process"


def _stumbling(traffic: Traffic) -> None:
    traffic.say(_wish(traffic.rng, "shop-1", STUMBLING), dead="handler_error")


def _changing_its_mind(traffic: Traffic) -> None:
    traffic.chains += changing_its_mind(traffic.rng, lambda message_type: _reader_of(message_type, traffic.workers)[0])


def _using_ids_twice(traffic: Traffic) -> None:
    """Two orders under one id, and a status that carries the id of its order."""
    wishes = [_wish(traffic.rng, "shop-1", order_id) for order_id in ("4001", "4002")]
    for wish in wishes:
        traffic.say(wish, used_id="used", times=traffic.rng.choice((1, 2)))
    traffic.say(update("paid", "4001"), used_id="used", times=traffic.rng.choice((1, 2)))


def _unreadable(traffic: Traffic) -> None:
    """What nobody can read; the same bytes twice are one message."""
    times = traffic.rng.choice((1, 2))
    traffic.say_bytes(
        "order.place.v1", b'{"shop_id": "shop-1", ', "application/json", times=times, dead="malformed_json"
    )
    odd = {"specversion": "1.0", "id": "odd", "source": "test", "type": "stock.receive.v9", "data": {}}
    traffic.say_bytes("stock.receive.v1", json.dumps(odd).encode(), STRUCTURED, dead="unknown_type")


def _refusable(traffic: Traffic) -> None:
    """What can be read so far that somebody can be told."""
    order = {"shop_id": "shop-1", "order_id": "3001", "distributor_id": 3, "product_id": TEA, "quantity": 0}
    traffic.say_bytes("order.place.v1", json.dumps(order).encode(), "application/json", times=2)
    status = {"shop_id": "shop-1", "order_id": "3001", "status": "lost"}
    traffic.say_bytes("order.update-status.v1", json.dumps(status).encode(), "application/json")
    traffic.say(update("paid", "never-placed"))
