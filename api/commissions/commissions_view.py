"""Commissions and rewards of one distributor, as shown. Amounts are decimal strings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.commissions.explanations_view import ExplanationView, explained
from api.http.ids import ShownId
from api.http.problems import Language
from api.http.turns import built
from api.identity.principal import Principal
from api.settlements.view import ComingView, coming_views, sees
from api.storage.protocols import Documents
from contracts.commissions.view import BALANCES, AccountKey, Commission, Entry, balance_of_stripe
from contracts.money import to_amount, to_rate
from contracts.orders.view import ORDERS
from contracts.rewards.view import Progress
from contracts.rules.view import RULES, RuleSet, SalesTarget
from contracts.settlement.view import Account
from infra.ports.store import Document
from infra.runtime.repository import Codec
from infra.statements.reading import Balance, accounts_of, balances_by_currency, coming_of

_commissions = Codec(Commission, key="key")
_rules = Codec(RuleSet, key="rule_version")
_progress = Codec(Progress, key="key")


class BalanceView(BaseModel):
    """The balances of one distributor's accounts in one currency. Negative: taken back after its release.

    `coming` states when and why what is available will be payable.
    """

    model_config = ConfigDict(title="Balance")

    currency: str = Field(examples=["CNY"])
    held: str = Field(description="Commissions that are not released yet.", examples=["2.74"])
    available: str = Field(description="Released, and not payable by a statement.", examples=["120.00"])
    payable: str | None = Field(
        description="Payable by statements; null for those who may not see this distributor's statements.",
        examples=["4200.00"],
    )
    in_payout: str | None = Field(description="On its way to the distributor; null as payable is.", examples=["0.00"])
    paid: str | None = Field(description="Paid, and not returned; null as payable is.", examples=["1310.55"])


class EntryView(BaseModel):
    model_config = ConfigDict(title="CommissionEntry")

    line: int = Field(examples=[1])
    product_id: ShownId = Field(examples=[1082185])
    plan: str = Field(examples=["levels"])
    level: int = Field(description="Distance in the sponsor chain: 1 is the seller; 0 a team's leader.", examples=[2])
    tier: str = Field(examples=["standard"])
    base: str = Field(description="The line's net.", examples=["54.70"])
    rate: str | None = Field(examples=["0.05"])
    unit: str | None = Field(description="The amount for each unit, where a plan pays by unit.", examples=[None])
    quantity: int = Field(examples=[3])
    amount: str = Field(examples=["2.74"])
    taken_back: str = Field(examples=["0.00"])


class EarningView(BaseModel):
    """What one order pays one distributor."""

    model_config = ConfigDict(title="Earning")

    shop_id: str = Field(examples=["shop-367"])
    order_id: str = Field(examples=["31198459904"])
    placed_at: datetime
    accrued_at: datetime
    currency: str = Field(examples=["CNY"])
    amount: str = Field(examples=["2.74"])
    taken_back: str = Field(examples=["0.00"])
    remaining: str = Field(examples=["2.74"])
    status: str = Field(examples=["held"])
    hold_days: int = Field(description="Days from the order's completion to the release.", examples=[7])
    expected_release_at: datetime | None = Field(
        description="Null until the order is completed, while an after-sale is open, and once it is released.",
        examples=["2026-11-09T09:30:00Z"],
    )
    released_at: datetime | None = Field(examples=[None])
    entries: list[EntryView]
    explanation: list[ExplanationView] | None = Field(
        description="Why the amount is what it is, in the requested language; null unless requested."
    )


class CommissionPage(BaseModel):
    model_config = ConfigDict(title="Commissions")

    distributor_id: ShownId = Field(examples=[40021])
    balances: list[BalanceView]
    coming: list[ComingView] = Field(description="What is not on a statement yet, by market, currency and period.")
    items: list[EarningView]
    next: str | None = Field(description="The address of the next page; null on the last.", examples=[None])


class TargetView(BaseModel):
    model_config = ConfigDict(title="RewardTarget")

    reward: str = Field(examples=["monthly_sales"])
    target: str = Field(examples=["10000.00"])
    bonus: str = Field(examples=["200.00"])
    granted: bool = Field(examples=[False])
    held: bool = Field(
        description="Granted, and not available before the commissions of enough of its sales are released.",
        examples=[False],
    )
    missing: str = Field(description="Sales still missing to the target.", examples=["1800.00"])


class RewardView(BaseModel):
    model_config = ConfigDict(title="RewardMonth")

    month: str = Field(description="A calendar month in the zone of the rules.", examples=["2026-11"])
    currency: str = Field(examples=["CNY"])
    market: str = Field(description="The market whose rules and targets apply.", examples=["default"])
    sales: str = Field(description="Own paid sales of the month, net of refunds.", examples=["8200.00"])
    rule_version: int = Field(examples=[1])
    targets: list[TargetView]


async def pay_of(
    store: Documents, principal: Principal, distributor_id: int, now: datetime, language: Language
) -> tuple[list[BalanceView], list[ComingView]]:
    """The balances, and what is coming. What statements pay is only for those who may see the distributor's."""
    accounts = await accounts_of(store, distributor_id)
    sees_pay = sees(principal, distributor_id) and "settlements:read" in principal.permissions
    balances = await _balances_of(store, distributor_id, accounts, with_pay=sees_pay)
    coming = await coming_of(store, accounts, now) if sees_pay else ()
    return balances, coming_views(coming, language)


async def _balances_of(
    store: Documents, distributor_id: int, accounts: Sequence[Account], *, with_pay: bool
) -> list[BalanceView]:
    """By currency: held by the commission ledger, the others by that of settlement."""
    sums: Counter[AccountKey] = Counter()
    for document in await store.find(BALANCES, {"distributor_id": distributor_id}):
        sums.update(balance_of_stripe(document))
    owed = {balance.currency: balance for balance in await balances_by_currency(store, accounts)}
    currencies = sorted({currency for _, currency, _ in sums} | owed.keys())
    balances = [owed.get(currency, Balance(currency)) for currency in currencies]
    return [
        BalanceView(
            currency=balance.currency,
            held=_money(sums[distributor_id, balance.currency, "held"], balance.currency),
            available=_money(balance.available_minor, balance.currency),
            payable=_money(balance.payable_minor, balance.currency) if with_pay else None,
            in_payout=_money(balance.in_payout_minor, balance.currency) if with_pay else None,
            paid=_money(balance.paid_minor, balance.currency) if with_pay else None,
        )
        for balance in balances
    ]


async def earnings_of(
    store: Documents, documents: Sequence[Document], distributor_id: int, language: Language | None
) -> list[EarningView]:
    """What each order pays this distributor; explained where a language is given. Other shares are not shown."""
    orders: dict[str, Document] = {}
    rules: dict[int, RuleSet] = {}
    if language is not None and documents:
        keys = [document["_id"] for document in documents]
        orders = {order["_id"]: order for order in await store.find(ORDERS, {"_id": {"$in": keys}})}
        versions = sorted({document["rule_version"] for document in documents})
        rules = _rules.by_key(await store.find(RULES, {"_id": {"$in": versions}}))

    def earnings() -> list[EarningView]:
        return [
            _earning(commission, distributor_id, explained(commission, distributor_id, orders, rules, language))
            for commission in map(_commissions.to_entity, documents)
        ]

    return await built(parts_of(documents), earnings)


def parts_of(documents: Iterable[Document]) -> int:
    """How many entries and lines these commissions have: what their views cost."""
    return sum(len(document["entries"]) + len(document["lines"]) for document in documents)


def _earning(commission: Commission, distributor_id: int, explanation: list[ExplanationView] | None) -> EarningView:
    own = [
        (entry, left)
        for entry, left in zip(commission.entries, commission.remaining_minor(), strict=True)
        if entry.distributor_id == distributor_id
    ]
    amount = sum(entry.amount_minor for entry, _ in own)
    remaining = sum(left for _, left in own)
    shop_id, order_id = commission.shop_and_order
    currency = commission.currency
    return EarningView(
        shop_id=shop_id,
        order_id=order_id,
        placed_at=commission.placed_at,
        accrued_at=commission.accrued_at,
        currency=currency,
        amount=_money(amount, currency),
        taken_back=_money(amount - remaining, currency),
        remaining=_money(remaining, currency),
        status=commission.status,
        hold_days=commission.hold_days,
        expected_release_at=commission.release_at if commission.status == "held" else None,
        released_at=commission.released_at,
        entries=[_entry(entry, left, currency) for entry, left in own],
        explanation=explanation,
    )


def _entry(entry: Entry, left_minor: int, currency: str) -> EntryView:
    return EntryView(
        line=entry.line,
        product_id=entry.product_id,
        plan=entry.plan,
        level=entry.level,
        tier=entry.tier,
        base=_money(entry.base_minor, currency),
        rate=format(to_rate(entry.rate_ppm), "f") if entry.rate_ppm else None,
        unit=_money(entry.unit_minor, currency) if entry.unit_minor else None,
        quantity=entry.quantity,
        amount=_money(entry.amount_minor, currency),
        taken_back=_money(entry.amount_minor - left_minor, currency),
    )


async def rewards_of(store: Documents, documents: Sequence[Document]) -> list[RewardView]:
    months = [_progress.to_entity(document) for document in documents]
    versions = sorted({month.rule_version for month in months})
    rules = _rules.by_key(await store.find(RULES, {"_id": {"$in": versions}})) if versions else {}
    return [_month(month, rules.get(month.rule_version)) for month in months]


def _month(month: Progress, rules: RuleSet | None) -> RewardView:
    targets = rules.terms.targets if rules is not None else ()
    return RewardView(
        month=month.month,
        currency=month.currency,
        market=month.market,
        sales=_money(month.sales_minor, month.currency),
        rule_version=month.rule_version,
        targets=[_target(month, target) for target in targets if target.currency == month.currency],
    )


def _target(month: Progress, target: SalesTarget) -> TargetView:
    return TargetView(
        reward=target.reward,
        target=_money(target.target_minor, month.currency),
        bonus=_money(target.bonus_minor, month.currency),
        granted=target.reward in month.granted,
        held=target.reward in month.held,
        missing=_money(max(target.target_minor - month.sales_minor, 0), month.currency),
    )


def _money(minor: int, currency: str) -> str:
    return format(to_amount(minor, currency), "f")
