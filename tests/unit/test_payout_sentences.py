"""Where the money of a payout is, and why not yet, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from contracts.explanation.payout_phrases import CHINESE, ENGLISH
from contracts.explanation.payout_sentences import payout_sentences, reason_now
from contracts.explanation.rule_phrases import Language
from contracts.payees.fields import PayoutMethod
from contracts.payouts.faults import FAULTS
from contracts.payouts.view import Hold, Payee, Payout, PayoutState, Plan
from tests.builders import NOW

SEALED = "sealed-2:payee-2-1:bm90IGEgc2VjcmV0"
METHOD = PayoutMethod(
    method_id="m-1", rail="paypal", currency="HUF", country="HU", holder=SEALED, destination=SEALED, hint="a•••@b.hu"
)
PAYEE = Payee(2, version=1, usable=True, method=METHOD)
WAITING = Payout("default/2026-10/2/HUF", "default", "2026-10", 2, "HUF", 420_050, 1, NOW, NOW)
PLAN = Plan("paypal", "HUF", 420_000, 50, "m-1", 1, "a•••@b.hu")
UNDER_WAY = replace(WAITING, state="sent", plan=PLAN, started_at=NOW, ended_at=NOW + timedelta(days=3))
LEFT_OUT = {
    "no_payout_method", "method_cooling_off", "method_unusable", "on_hold", "rail_paused", "currency_differs",
    "rail_unknown", "rail_refuses_currency", "other_rail", "below_whole_unit", "amount_too_large", "no_rate",
    "corridor_not_allowed", "identity_incomplete",
}  # fmt: skip


def words(payout: Payout, payee: Payee | None = PAYEE, language: Language = "en") -> list[str]:
    return payout_sentences(payout, payee, language, NOW)


def test_both_languages_say_the_same() -> None:
    assert ENGLISH.keys() == CHINESE.keys()
    for key, text in ENGLISH.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", CHINESE[key])), key


def test_every_state_fault_and_reason_has_a_sentence() -> None:
    assert set(get_args(PayoutState)) <= ENGLISH.keys()
    assert {f"reason_{code}" for code in FAULTS | LEFT_OUT} <= ENGLISH.keys()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", get_args(PayoutState))
def test_each_state_has_its_sentence(state: Any, language: Language) -> None:
    first, *_ = words(replace(UNDER_WAY, state=state), language=language)

    assert "4200.00 HUF" in first
    assert "{" not in first
    assert "?" not in first


def test_what_a_rail_cannot_send_is_named() -> None:
    assert words(replace(UNDER_WAY, state="paid", paid_at=NOW, ended_at=None)) == [
        f"4200.00 HUF was paid by paypal on {NOW:%Y-%m-%d %H:%M} UTC.",
        "0.50 HUF of it cannot be sent, as paypal sends whole units; your next statement has it.",
    ]


class TestWhyNotYet:
    @pytest.mark.parametrize(
        ("payee", "code"),
        [
            (None, "no_payout_method"),
            (Payee(2), "no_payout_method"),
            (replace(PAYEE, usable=False), "method_unusable"),
            (replace(PAYEE, usable_from=NOW + timedelta(hours=1)), "method_cooling_off"),
            (replace(PAYEE, hold=Hold("under_review", NOW, 0, "ann")), "on_hold"),
        ],
    )
    def test_the_payee_is_the_reason(self, payee: Payee | None, code: str) -> None:
        assert reason_now(WAITING, payee, NOW) == code
        assert len(words(WAITING, payee)) == 2

    def test_a_reason_that_was_mended_is_none_any_more(self) -> None:
        assert reason_now(replace(WAITING, reason="no_payout_method"), PAYEE, NOW) is None
        assert words(WAITING) == ["4200.50 HUF is payable, and waits for the next batch of payouts."]

    def test_other_reasons_of_the_last_batch_stand(self) -> None:
        assert reason_now(replace(WAITING, reason="rail_paused"), PAYEE, NOW) == "rail_paused"
        assert words(replace(WAITING, reason="rail_paused"))[1].startswith("Payments by paypal are paused")

    def test_the_reason_of_a_failure_follows_and_an_unknown_code_is_named(self) -> None:
        failed = replace(UNDER_WAY, state="failed", reason="account_closed")

        assert words(failed)[-1] == "The account is closed; set another one."
        assert words(replace(failed, reason="own_code"))[-1] == "(own_code)"
