"""`tributary network preview-move`: who would gain and who would lose by a move, computed from the paid orders."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import typer
import uvloop

from contracts.javascript import all_exact
from infra.local.progress_notes import progress_notes
from infra.rehearsal import stored_rules as rules_store
from infra.rehearsal.backtest import start_of
from infra.rehearsal.move import MoveImpossible, MovePreview
from infra.rehearsal.move import preview_move as rehearse
from infra.rehearsal.move_view import as_object, print_preview
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Screen, print_note


def preview_move(
    distributor: int, under: int | None, days: int, until: datetime | None, stack: str, *, as_json: bool
) -> None:
    last_day = until.date() if until is not None else datetime.now(UTC).date()
    try:
        with one_sentence_on_failure(), progress_notes(print_note):
            found = uvloop.run(_run(settings_for(stack), distributor, under, last_day, days))
    except MoveImpossible as error:
        print_line(str(error), err=True)
        raise typer.Exit(EXIT_BREACH) from None
    if as_json:
        print_text(json.dumps(all_exact(as_object(found)), indent=2))
    else:
        print_preview(found, Screen())


async def _run(settings: Settings, distributor: int, under: int | None, last_day: date, days: int) -> MovePreview:
    end = start_of(last_day + timedelta(days=1))
    async with rules_store.opened(settings) as store:
        return await rehearse(store, distributor, under, end - timedelta(days=days), end)
