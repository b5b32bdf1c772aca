"""The rules of the demo's network: every kind of plan, with caps, over the categories that sell best."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules
from infra.demo.baskets import Basket

CURRENCY = "USD"
MARKET = "us"
_VERSION = 1

_CATEGORY_RATES = (("0.08", "0.03", "0.01"), ("0.03", "0.01"), ("0.06", "0.04", "0.02"), ("0.02",), ("0.09", "0.02"))
"""For the categories with the highest sales, in that order."""


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The commands of two people that put the rules in force, and the market of the rules."""

    market: DefineMarket
    proposal: ProposeRules
    approval: ApproveRules
    activation: ActivateRules


def rules_in_force(
    placed: Sequence[Basket],
    category_of: Mapping[int, int],
    seller_of: Callable[[int], int],
    *,
    effective_from: datetime,
) -> RulesInForce:
    """One rule set for the whole period; about 4 % and 1.5 % of the sellers' months reach its targets."""
    document = _document(placed, category_of, seller_of)
    return RulesInForce(
        market=DefineMarket(
            market=MARKET,
            levels_paid_max=3,
            pay_rate_max=Decimal("0.30"),
            clauses={"levels_paid_max": "Company policy 4: three levels", "pay_rate_max": "Company policy 5: 30 %"},
        ),
        proposal=ProposeRules(rule_version=_VERSION, proposed_by="demo.author", rules=document),
        approval=ApproveRules(rule_version=_VERSION, approved_by="demo.reviewer", digest=digest_of(terms_of(document))),
        activation=ActivateRules(rule_version=_VERSION, activated_by="demo.reviewer", effective_from=effective_from),
    )


def _document(
    placed: Sequence[Basket], category_of: Mapping[int, int], seller_of: Callable[[int], int]
) -> RuleDocument:
    by_category: defaultdict[int, Decimal] = defaultdict(Decimal)
    by_month: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
    units: Counter[int] = Counter()
    for basket in placed:
        by_month[seller_of(basket.household_id), f"{basket.placed_at:%Y-%m}"] += basket.net
        for line in basket.lines:
            by_category[category_of[line.product_id]] += line.net
            units[line.product_id] += 1
    best = sorted(by_category, key=lambda category_id: (-by_category[category_id], category_id))
    sales = sorted(by_month.values(), reverse=True) or [Decimal(0)]
    return RuleDocument.model_validate(
        {
            "title": "Demo 2017",
            "market": MARKET,
            "pool_rate": "0.17",
            # The demo does not wait a week: commissions are released as soon as an order is completed.
            "hold_days": 0,
            "plans": [
                {
                    "plan": "unilevel",
                    "name": "levels",
                    "rates": ["0.05", "0.02", "0.01"],
                    "overrides": [
                        {"category_id": category_id, "rates": rates}
                        for category_id, rates in zip(best, _CATEGORY_RATES, strict=False)
                    ],
                    "caps": [
                        {"per": "entry", "currency": CURRENCY, "amount": "2.00"},
                        {"per": "order", "currency": CURRENCY, "amount": "5.00"},
                    ],
                },
                {
                    "plan": "differential",
                    "name": "steps",
                    "rates": {"silver": "0.01", "gold": "0.025"},
                    "peer_rate": "0.002",
                    "levels_max": 3,
                    "caps": [{"per": "month", "currency": CURRENCY, "amount": "40.00"}],
                },
                {
                    "plan": "team_bonus",
                    "name": "team",
                    "rate": "0.01",
                    "caps": [{"per": "day", "currency": CURRENCY, "amount": "3.00"}],
                },
                {
                    "plan": "fixed",
                    "name": "bottle",
                    "amounts": [{"currency": CURRENCY, "levels": ["0.05", "0.02"]}],
                    "conditions": {"products": [product_id for product_id, _ in units.most_common(3)]},
                },
            ],
            "targets": [
                _target("monthly_star", sales[len(sales) // 25], "25.00"),
                _target("monthly_leader", sales[len(sales) // 70], "100.00"),
            ],
        }
    )


def _target(reward: str, sales: Decimal, bonus: str) -> dict[str, str]:
    """Round down to 10 dollars, at least 10, so that a seller with exactly these sales reaches the target."""
    target = max(sales // 10 * 10, Decimal(10))
    return {"reward": reward, "currency": CURRENCY, "target": str(target), "bonus": bonus}
