"""What every rail promises, written once: a test file of a rail inherits it and says where the rail differs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Literal

import pytest

from contracts.payouts.faults import ACCOUNT_FAULTS, FAULTS, FUNDS
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import PayoutAttemptDue
from contracts.wire.answer import Answer
from tests.bank.scenarios import OnSend, Scenario
from tests.bank.world import BankWorld, attempt_due, bank_world, check_due, destination_of
from tests.receivers.notifications import SOON_S, logged
from tests.receivers.serving import make_certificates

BREAKS: tuple[OnSend, ...] = ("commit_then_hang", "commit_then_500", "commit_then_cut", "hang_before_commit")


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BankWorld]:
    folder = tmp_path_factory.mktemp("bank")
    async with bank_world(folder, make_certificates(folder)) as made:
        yield made


class RailBehaviour:
    rail: ClassVar[str]
    asked_by: ClassVar[Literal["key", "reference"]] = "key"
    """By what a look-up finds a payment."""

    refused_with: ClassVar[str]
    reuses_key_without_funds: ClassVar[bool] = True
    """Whether the same key is paid once there is money; else the refused key is used up."""

    @pytest.fixture(autouse=True)
    def _numbered(self, request: pytest.FixtureRequest) -> None:
        self._test = request.node.name

    def due(self, name: str = "", **changed: Any) -> PayoutAttemptDue:
        """A payment of this test, to a payee of its own."""
        number = int(sha256(f"{self._test}{name}".encode()).hexdigest()[:8], 16)
        return attempt_due(self.rail, f"default/2026-10/{number}/EUR", **changed)

    def credited(self, world: BankWorld, due: PayoutAttemptDue) -> int:
        return world.bank.book.credits(due.key)

    async def outcome(self, world: BankWorld, due: PayoutAttemptDue, answer: Answer) -> Answer:
        _, checks = world.rails()
        return await checks.send(check_due(due, reference=answer.reference), "check-key")

    async def test_a_payment_is_accepted_and_then_paid(self, world: BankWorld) -> None:
        attempts, _ = world.rails()
        due = self.due()
        answer = await attempts.send(due, due.key)
        assert (answer.outcome, answer.code) == ("done", "accepted")
        assert attempts.destination(due) == self.rail
        world.bank.tick()
        paid = await self.outcome(world, due, answer)
        assert (paid.outcome, paid.code) == ("done", "paid")
        assert self.credited(world, due) == 1
        payment = world.bank.book.find(self.rail, due.key)
        assert payment is not None
        assert (payment.minor, payment.currency, payment.payee) == (123456, due.currency, destination_of(self.rail))

    async def test_the_same_key_twice_is_paid_once(self, world: BankWorld) -> None:
        attempts, _ = world.rails()
        due = self.due()
        first = await attempts.send(due, due.key)
        second = await attempts.send(due, due.key)
        world.bank.tick()
        third = await attempts.send(due, due.key)
        assert first.code == second.code == "accepted"
        assert (third.outcome, third.code) in (("done", "paid"), ("done", "accepted"))
        assert self.credited(world, due) == 1

    @pytest.mark.parametrize("on_send", BREAKS)
    async def test_edge_10_11_a_break_is_unknown_and_the_look_up_finds_the_truth(
        self, world: BankWorld, on_send: OnSend
    ) -> None:
        attempts, _ = world.rails(rail_deadline_s=SOON_S)
        due = self.due()
        world.bank.scenarios.pinned[due.key] = Scenario(on_send)
        answer = await attempts.send(due, due.key)
        assert (answer.outcome, answer.code) == ("unknown", "no_answer")

        found = await attempts.look_up(due, due.key)
        is_there = on_send != "hang_before_commit"
        if self.asked_by == "key" and is_there:
            assert found is not None
            assert found.code == "accepted"
        else:
            assert found is None, "it is sent again, by the same key"
        again = await attempts.send(due, due.key)
        world.bank.tick()
        assert again.outcome == "done"
        assert self.credited(world, due) == 1

    async def test_edge_10_a_check_never_sends(self, world: BankWorld) -> None:
        _, checks = world.rails()
        due = self.due()
        answer = await checks.send(check_due(due), "check-key")
        assert (answer.outcome, answer.code) == (
            ("done", "absent") if self.asked_by == "key" else ("unknown", "cannot_be_asked")
        )
        assert world.bank.book.find(self.rail, due.key) is None
        assert await checks.look_up(check_due(due), "check-key") is None

    async def test_edge_12_an_absent_key_whose_window_is_over_is_unknown(self, world: BankWorld) -> None:
        _, checks = world.rails()
        due = self.due()
        kept = RAILS[self.rail].key_kept
        began_at = datetime.now(UTC) - (kept or timedelta(days=3650))
        answer = await checks.send(check_due(due, attempted_at=began_at), "check-key")
        if self.asked_by == "reference":
            assert answer.code == "cannot_be_asked"
        else:
            assert answer.code == ("absent" if kept is None else "key_window_over")

    async def test_a_server_that_is_away_took_nothing(self, world: BankWorld) -> None:
        world_port, world.port = world.port, 9
        try:
            attempts, checks = world.rails(rail_deadline_s=SOON_S)
            due = self.due()
            answer = await attempts.send(due, due.key)
            asked = await checks.send(check_due(due, reference="BATCH1"), "check-key")
        finally:
            world.port = world_port
        assert (answer.outcome, answer.code) == ("unavailable", "not_connected")
        assert asked.outcome == "unknown", "a question that no one answered changes nothing"

    async def test_a_refusal_carries_our_own_code(self, world: BankWorld) -> None:
        attempts, _ = world.rails()
        due = self.due()
        world.bank.scenarios.pinned[due.key] = Scenario("refuse")
        answer = await attempts.send(due, due.key)
        world.bank.tick()
        assert (answer.outcome, answer.code) == ("refused", self.refused_with)
        assert answer.code in FAULTS
        assert self.credited(world, due) == 0

    async def test_edge_33_too_little_money_is_not_the_fault_of_the_payee(self, world: BankWorld) -> None:
        attempts, _ = world.rails()
        due = self.due()
        world.bank.scenarios.pinned[due.key] = Scenario("no_funds")
        answer = await attempts.send(due, due.key)
        assert answer.code == FUNDS
        assert FUNDS not in ACCOUNT_FAULTS
        assert answer.outcome == ("unavailable" if self.reuses_key_without_funds else "refused")
        again = await attempts.send(due, due.key)
        world.bank.tick()
        assert self.credited(world, due) == (1 if self.reuses_key_without_funds else 0)
        assert again.code == ("accepted" if self.reuses_key_without_funds else FUNDS)

    async def test_a_rail_that_is_busy_took_nothing(self, world: BankWorld) -> None:
        attempts, _ = world.rails()
        due = self.due()
        world.bank.scenarios.pinned[due.key] = Scenario("rate_limit")
        answer = await attempts.send(due, due.key)
        assert (answer.outcome, answer.code) == ("unavailable", "rate_limited")
        assert (await attempts.send(due, due.key)).code == "accepted"

    async def test_secrets_are_in_no_log_answer_or_repr(
        self, world: BankWorld, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        attempts, checks = world.rails(rail_deadline_s=SOON_S)
        seen = [repr(world.settings())]
        for name in ("accept", *BREAKS[1:3], "refuse", "no_funds"):
            due = self.due(name)
            world.bank.scenarios.pinned[due.key] = Scenario(name)
            answer = await attempts.send(due, due.key)
            seen += [repr(answer), repr(await checks.send(check_due(due, reference=answer.reference), "k"))]
        seen += [repr(attempts), repr(vars(attempts)), logged(caplog)]
        for secret in world.secrets():
            assert not any(secret in text for text in seen), "a secret was shown"
