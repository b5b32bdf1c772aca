"""The benchmark's input: real orders, their reference data, and the rules for their commissions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules
from contracts.wire.envelope import BATCH, Payload
from infra.demo.baskets import baskets, single_lines
from infra.demo.population import Population, populate
from infra.demo.rule_set import CURRENCY, MARKET, RulesInForce
from infra.demo.traffic import BARE, PLACE_V2, order_events

LEVEL_RATES = ("0.05", "0.02", "0.01")
"""Rates of a line's net that each contender pays to the seller and two levels above."""

_MONTHLY_TARGET = {"reward": "monthly_star", "currency": CURRENCY, "target": "500", "bonus": "25.00"}
_PER_BATCH = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """One AMQP message of the backlog, and the number of its orders."""

    routing_key: str
    body: bytes
    content_type: str
    orders: int = 1

    @property
    def as_published(self) -> tuple[str, bytes, str]:
        """The arguments of `infra.demo.shop.Shop.send`."""
        return self.routing_key, self.body, self.content_type


def order_key(event: Mapping[str, Any]) -> str:
    """The key of an event's order in every collection."""
    return f"{event['data']['shop_id']}/{event['data']['order_id']}"


@dataclass(frozen=True, slots=True)
class World:
    """`events` are the orders as structured CloudEvents, prepaid, oldest first; `waves` are their reference data."""

    population: Population
    events: Sequence[dict[str, Any]]

    @property
    def waves(self) -> tuple[tuple[Payload, ...], ...]:
        return self.population.waves()

    def first(self, orders: int) -> Self:
        """The same world with the first orders only."""
        return replace(self, events=self.events[:orders])

    def singly(self) -> list[Sent]:
        """Each order in its own message, in the simplest form that shops publish."""
        return [Sent(PLACE_V2, _json(event["data"]), BARE) for event in self.events]

    def batched(self) -> list[Sent]:
        """The same orders in CloudEvents batches."""
        groups = [self.events[start : start + _PER_BATCH] for start in range(0, len(self.events), _PER_BATCH)]
        return [Sent(PLACE_V2, _json(group), BATCH, len(group)) for group in groups]


def one_line_world(orders: int, levels: int = len(LEVEL_RATES)) -> World:
    """Real order lines, each as one order, in a network with as many levels as are paid (most markets allow three).

    It has no moves, no departures and no teams, since the peers support none.
    """
    bought = list(single_lines(orders))
    population = replace(
        populate(bought, short_share=0, levels_max=levels),
        rules=three_levels(bought[0].placed_at),
        changes=(),
        teams=(),
        members=(),
        moves=(),
    )
    return World(population, order_events(bought, population.distributor_of))


def basket_world(orders: int) -> World:
    """Real baskets of many lines, with every kind of plan of the demo."""
    bought = [basket for basket in baskets(orders + orders // 10 + 50) if basket.orderable][:orders]
    population = populate(bought, short_share=0)
    return World(population, order_events(bought, population.distributor_of))


def three_levels(first: datetime) -> RulesInForce:
    """The simplest rules of a network; every contender pays by them."""
    document = RuleDocument.model_validate(
        {
            "title": "Three levels",
            "market": MARKET,
            "pool_rate": "0.10",
            "hold_days": 7,
            "plans": [{"plan": "unilevel", "name": "levels", "rates": list(LEVEL_RATES)}],
            "targets": [_MONTHLY_TARGET],
        }
    )
    since = datetime(first.year - 1, 1, 1, tzinfo=UTC)
    return RulesInForce(
        market=DefineMarket(
            market=MARKET,
            levels_paid_max=3,
            pay_rate_max=Decimal("0.30"),
            clauses={"levels_paid_max": "Company policy 4: three levels", "pay_rate_max": "Company policy 5: 30 %"},
        ),
        proposal=ProposeRules(rule_version=1, proposed_by="bench.author", rules=document),
        approval=ApproveRules(rule_version=1, approved_by="bench.reviewer", digest=digest_of(terms_of(document))),
        activation=ActivateRules(rule_version=1, activated_by="bench.reviewer", effective_from=since),
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
