"""Reports when MongoDB's driver, in a thread of its own, notices that the primary is lost or back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pymongo.monitoring import TopologyListener

PrimaryChanged = Callable[[str | None], None]
"""Called with why there is no primary, or with None when there is one."""


class PrimaryWatch(TopologyListener):
    """Calls back in the event loop in which it was created. The first primary after the start is no change."""

    def __init__(self, changed: PrimaryChanged) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def close(self) -> None:
        """From now on the client is closed on purpose."""
        self._closed = True

    def opened(self, event: Any) -> None:
        """Nothing is known yet."""

    def description_changed(self, event: Any) -> None:
        before, after = (d.has_writable_server() for d in (event.previous_description, event.new_description))
        if before != after and not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed, None if after else _why(event.new_description))

    def closed(self, event: Any) -> None:
        self._closed = True


def _why(description: Any) -> str:
    errors = [str(server.error) for server in description.server_descriptions().values() if server.error]
    return errors[0] if errors else "there is no primary"
