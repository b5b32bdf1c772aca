"""All rails as one destination: what is opened and when, and what happens without a rail, its settings or its keys."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contracts.payouts.rails import RAILS
from infra.adapters.outside.rails.payouts import MAKERS, READERS, payouts
from infra.ports.vault import CannotOpen
from infra.processes.outside import outside_of
from infra.processes.payout_callbacks import payout_callbacks
from infra.processes.start import StartError
from infra.settings import Settings
from tests.bank.world import BankWorld, PlainVault, attempt_due, check_due
from tests.connected.rails_behaviour import world
from tests.receivers.serving import resolve_here

__all__ = ["world"]


class ClosedVault(PlainVault):
    async def open(self, field: str, distributor_id: int, sealed: str) -> str:
        raise CannotOpen("master_key_unknown", "The value was sealed under another master key; add it to the file.")


def test_every_rail_of_the_table_has_an_adapter() -> None:
    assert {*MAKERS} == {*RAILS}
    assert {*READERS} <= {*RAILS}


@pytest.mark.parametrize("rail", [name for name in RAILS if name != "manual"])
async def test_a_rail_without_settings_sends_nothing_and_says_what_to_set(rail: str) -> None:
    attempts, checks = payouts(Settings(), PlainVault())
    due = attempt_due(rail)
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "not_configured")
    assert f"TRIBUTARY_RAIL_{rail.upper()}_" in answer.detail
    asked = await checks.send(check_due(due), "check")
    assert (asked.outcome, asked.code) == ("unknown", "not_configured")
    found = await attempts.look_up(due, due.key)
    assert found is not None
    assert found.outcome == "unknown", "what was sent before the settings went is not known"


async def test_a_rail_of_a_newer_release_sends_nothing() -> None:
    attempts, _ = payouts(Settings(), PlainVault())
    due = attempt_due("pigeon")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "rail_unknown")


async def test_what_does_not_open_is_not_sent(world: BankWorld) -> None:
    attempts, _ = payouts(world.settings(), ClosedVault())
    due = attempt_due("iso20022")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "master_key_unknown")
    assert answer.detail.startswith("Nothing was sent.")
    assert world.bank.book.find("iso20022", due.key) is None


async def test_a_value_of_another_payee_does_not_open(world: BankWorld) -> None:
    attempts, _ = world.rails()
    due = attempt_due("iso20022").model_copy(update={"distributor_id": 7})
    assert (await attempts.send(due, due.key)).code == "other_payee"


async def test_a_check_opens_nothing(world: BankWorld) -> None:
    _, checks = payouts(world.settings(), ClosedVault(), resolve=resolve_here)
    due = attempt_due("wechat_pay", "default/2026-08/3/CNY")
    assert (await checks.send(check_due(due), "check")).code == "absent"


@pytest.mark.parametrize(
    ("rail", "currency", "amount", "code"),
    [
        ("iso20022", "USD", "1.00", "currency_not_supported"),
        ("wechat_pay", "EUR", "1.00", "currency_not_supported"),
        ("paypal", "JPY", "1.50", "invalid_order"),
    ],
)
async def test_what_a_rail_cannot_send_is_refused(
    world: BankWorld, rail: str, currency: str, amount: str, code: str
) -> None:
    attempts, _ = world.rails()
    due = attempt_due(rail, f"default/2026-08/1/{currency}", currency=currency, amount=Decimal("1"))
    due = due.model_copy(update={"amount": Decimal(amount)})
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("refused", code)


async def test_an_account_that_is_no_iban_is_the_fault_of_the_account(world: BankWorld) -> None:
    attempts, _ = world.rails()
    due = attempt_due("iso20022", "default/2026-08/2/EUR", destination="ann@example.com")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("refused", "account_unknown")
    assert "ann@" not in answer.detail


async def test_a_person_pays_what_goes_by_hand() -> None:
    attempts, checks = payouts(Settings(), PlainVault())
    due = attempt_due("manual")
    assert (await attempts.send(due, due.key)).code == "accepted"
    assert await attempts.look_up(due, due.key) is None
    assert (await checks.send(check_due(due), "check")).code == "cannot_be_asked"


def test_processes_start_with_a_vault_and_refuse_settings_that_are_not_whole(world: BankWorld) -> None:
    names = {*outside_of(world.settings(), None, PlainVault())}  # type: ignore[arg-type]
    assert {"payout.attempt-due", "payout.check-due"} <= names
    with pytest.raises(StartError, match="TRIBUTARY_RAIL_PAYPAL_CERTIFICATE_FILE"):
        payout_callbacks(world.settings(rail_paypal_certificate_file=None))
    with pytest.raises(StartError, match="TRIBUTARY_RAIL_ISO20022_DEBTOR_IBAN"):
        outside_of(world.settings(rail_iso20022_debtor_iban=None), None, PlainVault())  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://bank.example.com/payments", "ftp://127.0.0.1/", "bank.example.com"])
def test_a_rail_is_reached_over_https_only(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Settings(rail_iso20022_url=url)
