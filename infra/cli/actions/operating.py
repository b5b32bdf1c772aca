"""How a command reaches the operator's actions on identity and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from infra.processes import api_entry
from infra.settings import Settings
from infra.telemetry import logs
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for


def with_operations(stack: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run the action; end with one sentence where it fails."""

    async def run() -> Any:
        async with api_entry.operations(settings) as operations:
            return await act(operations)

    with one_sentence_on_failure():
        settings = settings_for(stack)
        logs.configure(settings.log_level)
        try:
            return asyncio.run(run())
        except api_entry.module().OperationFailed as error:
            refuse(str(error), EXIT_BREACH)


async def note_change(settings: Settings, action: str, target: str, after: Mapping[str, object]) -> None:
    """Record in the audit log a change that this command makes by itself. Ends with one sentence if it cannot."""
    logs.configure(settings.log_level)
    try:
        async with api_entry.operations(settings) as operations:
            await operations.note(action, target, after)
    except api_entry.module().OperationFailed as error:
        refuse(str(error), EXIT_BREACH)
