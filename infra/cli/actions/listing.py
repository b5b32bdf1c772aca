"""Listing what is stored: read once, one line or JSON object for each document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from contracts.javascript import all_exact
from infra.adapters.mongo import MongoStore
from infra.ports.store import Document
from infra.rehearsal import stored_rules
from infra.terminal.environment import one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text


def read_stored(stack: str, read: Callable[[MongoStore], Awaitable[list[Document]]]) -> list[Document]:
    """What `read` finds in the store of this stack; ends with one sentence if the store cannot be read."""

    async def run() -> list[Document]:
        async with stored_rules.opened(settings_for(stack)) as store:
            return await read(store)

    with one_sentence_on_failure():
        return asyncio.run(run())


def print_list(found: Sequence[Document], line: Callable[[Document], str], none: str, as_json: bool) -> None:
    """Print each document by `line`, or the sentence `none`."""
    if as_json:
        print_text(json.dumps(all_exact(found), indent=2, ensure_ascii=False, default=str))
        return
    for document in found:
        print_line(line(document))
    if not found:
        print_line(none)


def minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
