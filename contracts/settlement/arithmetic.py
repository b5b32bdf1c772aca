"""The arithmetic of a statement: what becomes of what a distributor earned. Amounts in minor units."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from contracts.calendar import local_date
from contracts.settlement.tax import table_of, withhold
from contracts.settlement.view import (
    Account,
    Figures,
    OpenPeriod,
    Outcome,
    Statement,
    TaxMonth,
    Terms,
    Withheld,
    statement_id,
)


class Closing(NamedTuple):
    """How a slice is closed: at what time, by which person (None: by the clock), and whether without a minimum."""

    at: datetime
    by: str | None = None
    os_user: str | None = None
    is_final: bool = False


def statement_of(
    account: Account, period: OpenPeriod, figures: Figures, terms: Terms, closing: Closing, *, number: int
) -> Statement:
    """The statement of an account's open period. Opening + lines = gross = payable + withheld + fees + carried.

    A negative gross is carried, and so is one below the minimum, or that fees would use up. The minimum is inclusive.
    """
    gross = account.carried_minor + figures.total_minor
    minimum = 0 if closing.is_final else terms.minimum.get(account.currency, 0)
    withheld = _withheld(account, terms, closing.at, gross)
    tax = withheld.amount_minor if withheld else 0
    fees = terms.fees.get(account.currency, 0) if terms.fee_bearer == "payee" else 0
    outcome = _outcome(gross, minimum, gross - tax - fees)
    if outcome != "payable":
        withheld, tax, fees = None, 0, 0
    payable = gross - tax - fees if outcome == "payable" else 0
    return Statement(
        statement_id=statement_id(account.market, period.period, account.distributor_id, account.currency),
        market=account.market,
        period=period.period,
        distributor_id=account.distributor_id,
        currency=account.currency,
        account=account.key,
        number=number,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        zone=period.zone,
        closed_at=closing.at,
        terms_version=period.terms_version,
        opening_minor=account.carried_minor,
        released_minor=figures.released_minor,
        reversed_minor=figures.reversed_minor,
        rewards_minor=figures.rewards_minor,
        adjustments_minor=figures.adjustments_minor,
        written_off_minor=figures.written_off_minor,
        returned_minor=figures.returned_minor,
        late_minor=figures.late_minor,
        gross_minor=gross,
        withheld_minor=tax,
        fees_minor=fees,
        payable_minor=payable,
        carried_minor=gross - payable - tax - fees,
        minimum_minor=minimum,
        outcome=outcome,
        posting_count=figures.postings,
        withheld=withheld,
        is_final=closing.is_final,
        by=closing.by,
        os_user=closing.os_user,
    )


def tax_month_after(statement: Statement, account: Account) -> TaxMonth | None:
    """The tax month of the account after a statement; unchanged if no tax rule applied."""
    if statement.withheld is None:
        return account.tax
    before = _tax_month(account, statement.closed_at, statement.zone)
    return TaxMonth(
        before.month,
        before.gross_minor + statement.gross_minor,
        before.withheld_minor + statement.withheld_minor,
    )


def tax_month_without(statement: Statement, tax: TaxMonth | None) -> TaxMonth | None:
    """The tax month of the account once the payout of a statement came back; other months stay as they are."""
    if tax is None or statement.withheld is None or statement.withheld.month != tax.month:
        return tax
    return TaxMonth(tax.month, tax.gross_minor - statement.gross_minor, tax.withheld_minor - statement.withheld_minor)


def _withheld(account: Account, terms: Terms, at: datetime, gross_minor: int) -> Withheld | None:
    table = table_of(terms.tax_rule, local_date(at, terms.zone), account.currency)
    if table is None or terms.tax_rule is None or gross_minor <= 0:
        return None
    month = _tax_month(account, at, terms.zone)
    amount = withhold(table, month.gross_minor, month.withheld_minor, gross_minor)
    return Withheld(
        terms.tax_rule,
        table.version,
        month.month,
        gross_minor,
        month.gross_minor,
        month.withheld_minor,
        amount,
    )


def _tax_month(account: Account, at: datetime, zone: str) -> TaxMonth:
    month = f"{local_date(at, zone):%Y-%m}"
    return account.tax if account.tax is not None and account.tax.month == month else TaxMonth(month)


def _outcome(gross_minor: int, minimum_minor: int, payable_minor: int) -> Outcome:
    if gross_minor < 0:
        return "carried_negative"
    if gross_minor == 0:
        return "nothing"
    return "below_minimum" if gross_minor < minimum_minor or payable_minor <= 0 else "payable"
