"""`tributary alerts routes` shows that a route fails from its first failure on; `define-route` checks the channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.cli.actions import alerts, listing
from infra.rehearsal import stored_rules
from infra.runtime import roster
from infra.settings import Settings
from tests.notices import a_route, delivered, failed, raised
from tests.workflow.system import System

FAILURE = "; failed, and is tried again: no_answer: The server did not answer; look whether it runs."


@pytest.fixture
async def notifying(monkeypatch: pytest.MonkeyPatch) -> System:
    """A route with one message on its way. The test answers as its channel; commands read this system's store."""
    system = System([each for each in roster.load_all() if not each.performs])

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Any]:
        yield system.store

    monkeypatch.setattr(stored_rules, "opened", opened)
    monkeypatch.setattr(listing, "settings_for", lambda _: system.settings)
    await system.publish(a_route())
    await system.run_until_idle()
    await system.publish(raised())
    await system.run_until_idle()
    await system.tick(system.time.now() + timedelta(seconds=30))
    await system.run_until_idle()
    return system


async def shown(capsys: pytest.CaptureFixture[str]) -> str:
    await asyncio.to_thread(alerts.routes, "default", as_json=False)
    return capsys.readouterr().out


async def test_the_first_failure_is_shown_until_a_message_arrives(
    notifying: System, capsys: pytest.CaptureFixture[str]
) -> None:
    [due] = notifying.events("notification.due.v1")
    notification_id = due["data"]["notification_id"]
    assert "tried again" not in await shown(capsys)

    await notifying.publish(failed(notification_id))
    await notifying.run_until_idle()
    assert notifying.events("route.failing.v1") == []
    assert FAILURE in await shown(capsys)

    await notifying.publish(delivered(notification_id))
    await notifying.run_until_idle()
    assert "tried again" not in await shown(capsys)


@pytest.mark.parametrize(
    ("channel", "sentence"),
    [
        ("{kind: email, to: [a@b.example], url: 'https://x.example'}", "neither url nor secret"),
        ("{kind: email}", "name at least one reader"),
        ("{kind: feishu, to: [a@b.example], url: 'https://x.example'}", "a feishu channel has a url, and no readers"),
        ("{kind: feishu}", "give the address of the channel"),
    ],
)
def test_a_channel_of_two_kinds_is_refused_as_by_the_api(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], channel: str, sentence: str
) -> None:
    file = tmp_path / "route.yaml"
    file.write_text(f"channel: {channel}\n")

    with pytest.raises(typer.Exit) as ended:
        alerts.define_route("warehouse", file, None, 1, "default", as_json=False)

    assert ended.value.exit_code == 2
    assert sentence in capsys.readouterr().err
