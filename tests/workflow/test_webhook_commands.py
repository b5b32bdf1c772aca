"""`tributary webhooks` shows what became of each event, and nothing that is sealed or in the event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import typer

from api.webhooks.webhooks_view import DELIVERY_FIELDS, delivery_view
from contracts.webhooks.v1 import DisableWebhook
from contracts.wire.answer import Answer
from infra.cli.actions import commanding, listing, webhooks
from infra.cli.actions.commanding import Outcome
from infra.rehearsal import stored_rules
from infra.settings import Settings
from tests.builders import NOW, SHOP, place
from tests.webhook_builders import HOOK, SECRET, URL, define
from tests.workflow.system import System

GONE = Answer("refused", "gone", "hooks.test answered 410: the receiver is gone.", NOW)


@pytest.fixture
async def gone(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    """The receiver of the shop's webhook is gone; commands read this system's store."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Any]:
        yield system.store

    monkeypatch.setattr(stored_rules, "opened", opened)
    monkeypatch.setattr(listing, "settings_for", lambda _: system.settings)
    system.shop_receiver.answers[HOOK] = GONE
    await system.publish(define(types=("order.accepted.v1",)), place("1001"))
    await system.run_until_idle()
    await system.publish(place("1002"))
    await system.run_until_idle()
    return system


async def test_a_disabled_webhook_is_listed_with_the_reason(gone: System, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(webhooks.list_webhooks, SHOP, 200, "default", as_json=False)

    shown = capsys.readouterr().out
    assert f"{HOOK}  {SHOP}: order.accepted.v1 to hooks.test, disabled: gone: {GONE.detail}" in shown
    await asyncio.to_thread(webhooks.list_webhooks, "another", 200, "default", as_json=False)
    assert capsys.readouterr().out.startswith("There is no such webhook.")


async def test_no_more_webhooks_are_listed_than_asked_for(gone: System, capsys: pytest.CaptureFixture[str]) -> None:
    await gone.publish(define("hook-2"))
    await gone.run_until_idle()

    await asyncio.to_thread(webhooks.list_webhooks, None, 1, "default", as_json=True)

    assert [one["_id"] for one in json.loads(capsys.readouterr().out)] == [HOOK]


async def test_deliveries_are_listed_with_their_last_answer(gone: System, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(webhooks.attempts, HOOK, None, 50, "default", as_json=False)

    assert f"order.accepted.v1: failed gone: {GONE.detail}" in capsys.readouterr().out
    await asyncio.to_thread(webhooks.attempts, HOOK, "delivered", 50, "default", as_json=False)
    assert capsys.readouterr().out == "Nothing was sent there in the last 30 days.\n"


async def test_nothing_sealed_and_no_event_is_shown(gone: System, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(webhooks.list_webhooks, None, 200, "default", as_json=True)
    await asyncio.to_thread(webhooks.attempts, HOOK, None, 50, "default", as_json=True)

    shown = capsys.readouterr().out
    [delivery] = gone.documents("shop_webhooks.deliveries")
    assert delivery["_id"] in shown
    for hidden in (URL, SECRET, json.dumps(delivery["event"])):
        assert hidden not in shown


async def test_an_unknown_webhook_is_refused_with_the_way_on(gone: System, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        await asyncio.to_thread(webhooks.remove, "hook-9", None, 15, "default", as_json=False)

    assert ended.value.exit_code == 1
    assert "There is no webhook hook-9; `tributary webhooks list`" in capsys.readouterr().err


async def test_the_webhooks_of_a_disabled_shop_get_nothing_more(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(_: Settings, __: Any, command: DisableWebhook, *, wait_s: float) -> Outcome:
        await system.publish(command)
        await system.run_until_idle()
        if command.webhook_id == "hook-3":
            refusal = {"type": "webhook.refused.v1", "data": {"reason": "webhook_unknown", "detail": "It is removed."}}
            return Outcome("handled", "refused", (refusal,))
        return Outcome("unheard" if command.webhook_id == "hook-2" else "handled")

    monkeypatch.setattr(commanding, "send", send)
    await system.publish(*(define(name, types=("order.accepted.v1",)) for name in (HOOK, "hook-2", "hook-3")))
    await system.run_until_idle()

    store: Any = system.store
    # The last was removed when its command came, so it is neither disabled nor waits.
    assert await webhooks.disable_those_of(system.settings, store, SHOP) == ([HOOK], ["hook-2"])

    await system.publish(place("1001"))
    await system.run_until_idle()
    assert system.documents("shop_webhooks.deliveries") == []
    states = [webhook["state"] for webhook in system.documents("shop_webhooks.webhooks")]
    assert states == ["disabled"] * 3
    assert len(system.events("alert.raised.v1")) == 3


async def test_a_page_of_deliveries_reads_neither_the_event_nor_what_is_sealed(gone: System) -> None:
    [delivery] = gone.documents("shop_webhooks.deliveries")
    read = {name: delivery[name] for name in ("_id", *DELIVERY_FIELDS) if name in delivery}

    assert delivery_view(read) == delivery_view(delivery)
    assert {"event", "address", "secret"}.isdisjoint(read)
