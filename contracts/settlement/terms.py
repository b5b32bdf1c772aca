"""The meaning of a document of terms, in minor units."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from contracts.money import MoneyError, to_minor
from contracts.rules.plans import AmountIn
from contracts.rules.view import Money
from contracts.settlement.document import TermsDocument
from contracts.settlement.view import Terms


def terms_of(document: TermsDocument, effective_from: datetime | None = None) -> Terms:
    """Return the terms of the document. Raises MoneyError, which names the field, for an amount that is finer than its
    currency.
    """
    return Terms(
        market=document.market,
        zone=document.zone,
        period=document.period,
        anchor=document.anchor,
        grace_hours=document.grace_hours,
        minimum=_money("minimum", document.minimum),
        tax_rule=document.tax_rule,
        fee_bearer=document.fee_bearer,
        fees=_money("fees", document.fees),
        approvals=document.approvals,
        write_off_after_days=document.write_off_after_days,
        effective_from=effective_from,
    )


def _money(field: str, amounts: Iterable[AmountIn]) -> Money:
    return {listed.currency: _minor(field, listed) for listed in amounts}


def _minor(field: str, listed: AmountIn) -> int:
    try:
        return to_minor(listed.amount, listed.currency)
    except MoneyError as error:
        raise MoneyError(f"terms.{field}: {error}") from error
