"""What the callbacks of every rail promise, written once: believed only if the rail signed exactly these bytes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import pytest

from contracts.payouts.v1 import ReportPayout
from infra.ports.rails import CallbackRefused
from tests.bank.bank import Notice
from tests.bank.scenarios import Scenario
from tests.bank.world import BankWorld, attempt_due

MORE = {"paypal": "99999.00", "wechat_pay": "1235.56"}


class CallbackBehaviour:
    rail: ClassVar[str]

    def reports(self, world: BankWorld, notice: Notice) -> tuple[ReportPayout, ...]:
        read = world.callbacks().read(notice.rail, notice.headers, notice.body)
        assert not isinstance(read, CallbackRefused), read
        return read

    def refusal(self, world: BankWorld, headers: Mapping[str, str], body: bytes) -> str:
        read = world.callbacks().read(self.rail, headers, body)
        assert isinstance(read, CallbackRefused)
        assert read.detail.endswith(".")
        return read.code

    async def notices(self, world: BankWorld, scenario: Scenario, ticks: int = 2) -> tuple[str, list[Notice]]:
        """The key of a payment and the notices of it."""
        due = attempt_due(self.rail, f"default/2026-11/{len(world.bank.requests) + 1}/EUR")
        world.bank.scenarios.pinned[due.key] = scenario
        world.bank.notices.clear()
        attempts, _ = world.rails()
        await attempts.send(due, due.key)
        for _ in range(ticks):
            world.bank.tick()
        return due.key, [each for each in world.bank.notices if self._key_in(world, each) in (due.key, None)]

    def _key_in(self, world: BankWorld, notice: Notice) -> str | None:
        read = world.callbacks().read(notice.rail, notice.headers, notice.body)
        return None if isinstance(read, CallbackRefused) else read[0].key

    async def test_a_notice_is_a_report(self, world: BankWorld) -> None:
        key, (notice,) = await self.notices(world, Scenario())
        (report,) = self.reports(world, notice)
        assert (report.key, report.rail, report.outcome, report.source) == (key, self.rail, "paid", "callback")
        assert report.amount == Decimal("1234.56")
        assert report.about() == f"payout-key/{key}"

    async def test_edge_13_a_notice_twice_has_the_same_report_id(self, world: BankWorld) -> None:
        _, (first, second) = await self.notices(world, Scenario(notices="twice"))
        assert self.reports(world, first) == self.reports(world, second)

    async def test_a_late_notice_is_a_report_all_the_same(self, world: BankWorld) -> None:
        _, (notice,) = await self.notices(world, Scenario(notices="late"))
        assert self.reports(world, notice)[0].outcome == "paid"

    async def test_edge_15_a_wrong_amount_is_in_the_report_and_left_to_payouts(self, world: BankWorld) -> None:
        _, (notice,) = await self.notices(world, Scenario(notices="wrong_amount"))
        (report,) = self.reports(world, notice)
        assert (report.outcome, str(report.amount)) == ("paid", MORE[self.rail])

    async def test_edge_16_a_forged_notice_is_refused(self, world: BankWorld) -> None:
        _, (notice,) = await self.notices(world, Scenario(notices="forged"))
        assert self.refusal(world, notice.headers, notice.body) == "forged"

    async def test_edge_16_whatever_is_changed_the_signature_no_longer_fits(self, world: BankWorld) -> None:
        _, (notice,) = await self.notices(world, Scenario())
        for name, value in notice.headers.items():
            if "cert" in name.lower():
                continue
            assert self.refusal(world, {**notice.headers, name: value[:-2] + "xx"}, notice.body) == "forged", name
            without = {other: text for other, text in notice.headers.items() if other != name}
            assert self.refusal(world, without, notice.body) == "forged", name
        for body in (b"", notice.body[:-1], notice.body + b"\n", notice.body.replace(b'"id"', b'"iD"')):
            assert self.refusal(world, notice.headers, body) == "forged"
        shouted = {name.upper(): value for name, value in notice.headers.items()}
        assert self.reports(world, Notice(self.rail, shouted, notice.body))

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id": 7}'])
    async def test_signed_nonsense_never_raises(self, world: BankWorld, body: bytes) -> None:
        dialect = world.paypal if self.rail == "paypal" else world.wechat
        read = world.callbacks().read(self.rail, dialect.signed(body) if body != b"\xff\xfe" else {}, body)
        assert read == () or (isinstance(read, CallbackRefused) and read.code in ("unreadable", "forged"))

    async def test_a_rail_without_keys_believes_nothing(self, world: BankWorld) -> None:
        callbacks = world.callbacks(rail_wechat_pay_mch_id=None, rail_paypal_webhook_id=None)
        read = callbacks.read(self.rail, {}, b"{}")
        assert isinstance(read, CallbackRefused)
        assert read.code == "not_configured"
