"""The terms of a rule document, in minor units and whole parts per million, and their digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from pydantic import TypeAdapter

from contracts.money import MoneyError, to_minor, to_rate_ppm
from contracts.rules.document import Place, RuleDocument, place_of
from contracts.rules.plans import AmountIn, Cap, FixedPlan, Plan
from contracts.rules.view import Caps, Money, SalesTarget, Terms
from contracts.rules.view import Plan as PlanTerms

_terms: TypeAdapter[Terms] = TypeAdapter(Terms)


def terms_of(document: RuleDocument) -> Terms:
    """Return the terms of the document.

    Raises MoneyError, naming the place in the document, for an amount that is finer than its currency.
    """
    return Terms(
        title=document.title,
        market=document.market,
        pool_rate_ppm=to_rate_ppm(document.pool_rate),
        plans=tuple(_plan(plan, ("plans", index)) for index, plan in enumerate(document.plans)),
        hold_days=document.hold_days,
        targets=tuple(
            SalesTarget(
                target.reward,
                target.currency,
                _minor(target.target, target.currency, ("targets", index, "target")),
                _minor(target.bonus, target.currency, ("targets", index, "bonus")),
            )
            for index, target in enumerate(document.targets)
        ),
        zone=document.zone,
    )


def digest_of(terms: Terms) -> str:
    """The SHA-256 digest of the terms: the same promises have the same digest, however the document was written."""
    plain = _terms.dump_python(terms, mode="json")
    if terms.zone == "UTC":
        # Terms of earlier releases have no zone.
        del plain["zone"]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plan(plan: Plan, place: Place) -> PlanTerms:
    promised = plan.promised()
    own_sales_min = plan.conditions.own_sales_min
    conditions = replace(
        promised.conditions, own_sales_min=_money(own_sales_min, (*place, "conditions", "own_sales_min"))
    )
    minimum = _money(plan.minimum, (*place, "minimum"))
    caps = _caps(plan.caps, (*place, "caps"))
    if isinstance(plan, FixedPlan):
        amounts = {
            listed.currency: tuple(
                _minor(amount, listed.currency, (*place, "amounts", index, "levels", level))
                for level, amount in enumerate(listed.levels)
            )
            for index, listed in enumerate(plan.amounts)
        }
        promised = replace(plan.promised(), amounts_minor=amounts)
    return replace(promised, conditions=conditions, minimum=minimum, caps=caps)


def _caps(caps: Iterable[Cap], place: Place) -> Caps:
    by_period: dict[str, dict[str, int]] = {"entry": {}, "order": {}, "day": {}, "month": {}}
    for index, cap in enumerate(caps):
        by_period[cap.per][cap.currency] = _minor(cap.amount, cap.currency, (*place, index, "amount"))
    return Caps(**by_period)


def _money(amounts: Iterable[AmountIn], place: Place) -> Money:
    return {
        listed.currency: _minor(listed.amount, listed.currency, (*place, index, "amount"))
        for index, listed in enumerate(amounts)
    }


def _minor(amount: Decimal, currency: str, place: Place) -> int:
    try:
        return to_minor(amount, currency)
    except MoneyError as error:
        raise MoneyError(f"{place_of(place)}: {error}") from error
