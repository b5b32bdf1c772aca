"""What a statement states otherwise than its id, its period and its terms give."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.calendar import local_date
from contracts.settlement.tax import table_of
from contracts.settlement.view import Outcome, Period, Statement, Terms, account_key, statement_id


def faults_by_terms(statement: Statement, period: Period | None, terms: Terms | None) -> Iterator[str]:
    """`period` is the stored one, and `terms` those of the statement's version; None if they are missing."""
    of = (statement.market, statement.distributor_id, statement.currency)
    named = (statement_id(statement.market, statement.period, *of[1:]), account_key(*of))
    if (statement.statement_id, statement.account) != named:
        yield f"its fields name {named[0]}"
    if not statement.starts_at <= statement.ends_at <= statement.closed_at:
        yield f"it covers {statement.starts_at} to {statement.ends_at}, closed at {statement.closed_at}"
    if period is None:
        yield "its period is missing"
    elif (statement.zone, statement.terms_version) != (period.zone, period.terms_version):
        yield f"its period has the terms {period.terms_version} and the zone {period.zone}"
    elif not period.starts_at <= statement.starts_at <= statement.ends_at <= period.ends_at:
        yield f"its period is {period.starts_at} to {period.ends_at}"
    if terms is None:
        yield "its terms are missing"
        return
    minimum = 0 if statement.is_final else terms.minimum.get(statement.currency, 0)
    if statement.minimum_minor != minimum:
        yield f"its minimum is {statement.minimum_minor}, its terms have {minimum}"
    if statement.outcome != (outcome := _outcome(statement, terms)):
        yield f"its outcome is {statement.outcome}, its figures give {outcome}"
    is_payable = outcome == "payable"
    fees = terms.fees.get(statement.currency, 0) if is_payable and terms.fee_bearer == "payee" else 0
    if statement.fees_minor != fees:
        yield f"its fees are {statement.fees_minor}, its terms have {fees}"
    is_taxed = is_payable and _is_taxed(statement, terms)
    if (statement.withheld is not None) != is_taxed:
        yield f"tax is {'not ' if is_taxed else ''}withheld, against its terms"


def _is_taxed(statement: Statement, terms: Terms) -> bool:
    return table_of(terms.tax_rule, local_date(statement.closed_at, terms.zone), statement.currency) is not None


def _outcome(statement: Statement, terms: Terms) -> Outcome:
    """Only tax and fees can use up what reaches the minimum."""
    if statement.gross_minor <= 0:
        return "carried_negative" if statement.gross_minor else "nothing"
    takes = terms.fee_bearer == "payee" or _is_taxed(statement, terms)
    is_payable = statement.payable_minor > 0 or not takes
    return "payable" if is_payable and statement.gross_minor >= statement.minimum_minor else "below_minimum"
