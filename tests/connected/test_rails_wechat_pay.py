"""The rail `wechat_pay` keeps the promises of every rail, and those of APIv3."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.adapters.outside.rails.configured import RailMisconfigured
from infra.ports.rails import CallbackRefused
from tests.bank.bank import Notice
from tests.bank.scenarios import Scenario
from tests.bank.world import HOLDER, BankWorld, attempt_due, check_due
from tests.connected.rails_behaviour import RailBehaviour, world
from tests.connected.rails_callbacks import CallbackBehaviour

__all__ = ["world"]


class TestWechatPay(RailBehaviour):
    rail = "wechat_pay"
    refused_with = "invalid_order"


class TestWechatPayCallbacks(CallbackBehaviour):
    rail = "wechat_pay"


async def test_the_name_reaches_wechat_pay_and_only_encrypted(world: BankWorld) -> None:
    attempts, _ = world.rails()
    world.wechat.names.clear()
    due = attempt_due("wechat_pay", "default/2026-10/1/CNY")
    assert re.fullmatch("[0-9A-Za-z]{1,32}", due.key), "out_bill_no takes these characters only"
    assert (await attempts.send(due, due.key)).outcome == "done"
    assert world.wechat.names == [HOLDER]


async def test_below_thirty_fen_no_name_is_given(world: BankWorld) -> None:
    attempts, _ = world.rails()
    world.wechat.names.clear()
    due = attempt_due("wechat_pay", "default/2026-10/2/CNY", amount="0.29")
    assert (await attempts.send(due, due.key)).outcome == "done"
    assert world.wechat.names == []


async def test_an_answer_that_is_not_signed_says_nothing(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due = attempt_due("wechat_pay", "default/2026-10/3/CNY")
    world.wechat.is_signing = False
    try:
        answer = await attempts.send(due, due.key)
        asked = await checks.send(check_due(due), "check")
        absent = await checks.send(check_due(attempt_due("wechat_pay", "default/2026-10/4/CNY")), "check")
    finally:
        world.wechat.is_signing = True
    assert {answer.outcome, asked.outcome, absent.outcome} == {"unknown"}
    assert (await checks.send(check_due(due), "check")).code == "accepted"


async def test_a_wrong_key_of_ours_took_nothing(world: BankWorld) -> None:
    attempts, _ = world.rails(rail_wechat_pay_serial="ABCDEF")
    due = attempt_due("wechat_pay", "default/2026-10/5/CNY")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("unavailable", "not_permitted")


async def test_a_refusal_of_a_transfer_that_is_there_is_not_believed(world: BankWorld) -> None:
    """The first request committed; its repeat is refused for another reason. Only the look-up says what is true."""
    attempts, _ = world.rails()
    due = attempt_due("wechat_pay", "default/2026-10/6/CNY")
    assert (await attempts.send(due, due.key)).code == "accepted"
    less = attempt_due("wechat_pay", "default/2026-10/6/CNY", amount="0.01")
    answer = await attempts.send(less, less.key)
    assert (answer.outcome, answer.code, answer.facts["amount"]) == ("done", "accepted", "1234.56")


async def test_edge_32_a_payee_who_never_confirms_is_no_fault_of_the_method(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due = attempt_due("wechat_pay", "default/2026-10/7/CNY")
    world.bank.scenarios.pinned[due.key] = Scenario(ends="awaiting_then_expired")
    assert (await attempts.send(due, due.key)).code == "awaiting_payee"
    world.bank.tick()
    answer = await checks.send(check_due(due), "check")
    assert (answer.outcome, answer.code) == ("refused", "not_confirmed")
    (report,) = _read(world, world.bank.notices[-1])
    assert (report.outcome, report.code) == ("failed", "not_confirmed")


async def test_a_frozen_account_has_our_own_code(world: BankWorld) -> None:
    attempts, checks = world.rails()
    due = attempt_due("wechat_pay", "default/2026-10/8/CNY")
    world.bank.scenarios.pinned[due.key] = Scenario(ends="failed")
    await attempts.send(due, due.key)
    world.bank.tick()
    answer = await checks.send(check_due(due), "check")
    assert (answer.outcome, answer.code) == ("refused", "account_blocked")
    assert "ACCOUNT_FROZEN" in answer.detail


async def test_a_notice_for_another_merchant_is_refused(world: BankWorld) -> None:
    attempts, _ = world.rails()
    due = attempt_due("wechat_pay", "default/2026-10/9/CNY")
    await attempts.send(due, due.key)
    world.bank.tick()
    notice = world.bank.notices[-1]
    read = world.callbacks(rail_wechat_pay_mch_id="1900009999").read("wechat_pay", notice.headers, notice.body)
    assert isinstance(read, CallbackRefused)
    assert read.code == "forged"
    wrong_key = world.callbacks(rail_wechat_pay_api_v3_key="x" * 32)
    read = wrong_key.read("wechat_pay", notice.headers, notice.body)
    assert isinstance(read, CallbackRefused)
    assert read.code == "unreadable"


@pytest.mark.parametrize(
    "changed",
    [
        {"rail_wechat_pay_app_id": None},
        {"rail_wechat_pay_platform_key_file": None},
        {"rail_wechat_pay_private_key_file": "/nowhere.pem"},
        {"rail_wechat_pay_platform_key_file": "/etc/hostname"},
    ],
)
async def test_settings_that_are_not_whole_are_named(world: BankWorld, changed: dict[str, Any]) -> None:
    with pytest.raises(RailMisconfigured) as refused:
        world.rails(**changed)
    assert f"TRIBUTARY_{next(iter(changed)).upper()}" in str(refused.value)


def _read(world: BankWorld, notice: Notice) -> Any:
    return world.callbacks().read(notice.rail, notice.headers, notice.body)
