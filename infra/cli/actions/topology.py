"""`tributary topology`: show what the workers need, and declare it."""

from __future__ import annotations

import asyncio
import json

from infra.local.progress_notes import progress_notes
from infra.runtime import roster
from infra.runtime.topology import describe, topology_of
from infra.settings import Settings
from infra.terminal.environment import one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen, print_note


def topology(stack: str, *, apply: bool, as_json: bool) -> None:
    rows = describe(topology_of(roster.load_all(), Settings()))
    if apply:
        # The drivers are imported only to declare, not to show.
        from infra.processes import process

        with one_sentence_on_failure(), progress_notes(print_note):
            asyncio.run(process.prepare(settings_for(stack)))
    if as_json:
        keys = ("kind", "name", "about")
        print_text(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    table = Grid("kind", "name", "about")
    for row in rows:
        table.add_row(*row)
    Screen().print(table)
    if apply:
        print_line("Everything is declared, and so are the collections and indexes.")
