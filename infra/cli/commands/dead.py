"""`tributary dead`: look at the messages that could not be handled, send them again, or let them go."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from infra.terminal.environment import AsJson, Stack, Yes

LetterNames = Annotated[
    list[str] | None, typer.Argument(metavar="LETTER", help="Letters by id, or by the beginning of it.")
]
Queue = Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Only letters of this queue.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="CODE", help="Only letters with this reason.")]
Everything = Annotated[bool, typer.Option("--all", help="All that wait.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides.", show_default="your user name")]
Note = Annotated[str | None, typer.Option("--note", help="Why, for whoever asks later.")]


def list_letters(
    queue: Queue = None,
    reason: Reason = None,
    state: Annotated[
        Literal["waiting", "replayed", "discarded", "any"], typer.Option("--state", help="Letters in this state.")
    ] = "waiting",
    each: Annotated[bool, typer.Option("--each", help="List every letter instead of causes.")] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show what waits for a person, by cause: a thousand letters of one cause are one thing to mend."""
    from infra.cli.actions.dead import list_letters as run

    run(queue, reason, state, stack, each=each, as_json=as_json)


def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="The letter's id, or the beginning of it.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show everything about one letter: why it died, the traceback, and its body as it came."""
    from infra.cli.actions.dead import show as run

    run(letter, stack, as_json=as_json)


def replay(
    letters: LetterNames = None,
    queue: Queue = None,
    reason: Reason = None,
    everything: Everything = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed or discarded before.")] = False,
    dry_run: DryRun = False,
    by: By = None,
    note: Note = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Send letters to the queue they died in, byte for byte, and mark them as replayed.

    What was handled meanwhile is recognised and changes nothing, however often or late it comes.
    """
    from infra.cli.actions.dead import replay as run

    run(letters, queue, reason, by, note, stack, everything=everything, again=again, dry_run=dry_run, as_json=as_json)


def discard(
    letters: LetterNames = None,
    queue: Queue = None,
    reason: Reason = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    by: By = None,
    note: Note = None,
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Mark letters as needing nothing any more. They are kept, with who decided, when and why.

    Letters that are not named one by one, but by --all, --queue or --reason, are asked about first.
    """
    from infra.cli.actions.dead import discard as run

    run(letters, queue, reason, by, note, stack, everything=everything, dry_run=dry_run, yes=yes, as_json=as_json)
