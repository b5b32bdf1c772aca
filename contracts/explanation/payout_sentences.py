"""Where the money of a payout is, and why not further: a code for programs, and sentences in English or Chinese."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.explanation.payout_phrases import PHRASES
from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import amount_text
from contracts.payouts.view import Payee, Payout

_OF_PAYEE = frozenset({"no_payout_method", "method_cooling_off", "method_unusable", "identity_incomplete", "on_hold"})
"""Reasons that lie with the payee, who may have mended them since a batch left the payout out."""


def reason_now(payout: Payout, payee: Payee | None, now: datetime) -> str | None:
    """Why the payout is not further, as a code; None if nothing holds it up."""
    if payout.state != "waiting":
        return payout.reason
    if (own := _reason_of(payee, now)) is not None:
        return own
    return None if payout.reason in _OF_PAYEE - {"identity_incomplete"} else payout.reason


def _reason_of(payee: Payee | None, now: datetime) -> str | None:
    if payee is not None and payee.hold is not None:
        return "on_hold"
    if payee is None or payee.method is None:
        return "no_payout_method"
    if not payee.usable:
        return "method_unusable"
    return "method_cooling_off" if payee.usable_from is not None and payee.usable_from > now else None


def payout_sentences(payout: Payout, payee: Payee | None, language: Language, now: datetime) -> list[str]:
    """Where it is, then why not further. A code without a sentence is named as it is."""
    words, plan, reason = PHRASES[language], payout.plan, reason_now(payout, payee, now)
    currency = plan.currency if plan else payout.statement_currency
    method = payee.method if payee else None
    usable_from = payee.usable_from if payee else None
    values = {
        "amount": amount_text(plan.amount_minor if plan else payout.payable_minor, currency),
        "currency": currency,
        "rail": plan.rail if plan else method.rail if method else "?",
        "started": _minute(payout.started_at),
        "ended": _minute(payout.ended_at or payout.paid_at),
        "usable_from": _minute(usable_from),
    }
    sentences = [words[payout.state].format(**values)]
    if plan is not None and plan.left_minor:
        left = amount_text(plan.left_minor, payout.statement_currency)
        sentences.append(words["left"].format(left=left, currency=payout.statement_currency, rail=plan.rail))
    if reason is not None:
        sentences.append(words.get(f"reason_{reason}", f"({reason})").format(**values))
    return sentences


def _minute(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "?"
