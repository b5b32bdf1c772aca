"""`tributary dead`: list, show, replay and discard dead letters, the messages that could not be handled."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from infra.terminal.environment import AsJson, Stack, Yes

LetterNames = Annotated[
    list[str] | None, typer.Argument(metavar="LETTER", help="Letters by id, or by the beginning of the id.")
]
Queue = Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Only letters of this queue.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="CODE", help="Only letters with this reason.")]
Everything = Annotated[bool, typer.Option("--all", help="All waiting letters.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")]
By = Annotated[str | None, typer.Option("--by", help="Who decided, beside you.", show_default="your user name")]
Note = Annotated[str | None, typer.Option("--note", help="Why, for the record.")]


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
    """List waiting letters by cause: a thousand letters of one cause need one repair."""
    from infra.cli.actions.dead import list_letters as run

    run(queue, reason, state, stack, each=each, as_json=as_json)


def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="The letter's id, or its beginning.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show everything about one letter: why it was dead-lettered, the traceback, and its original body."""
    from infra.cli.actions.dead import show as run

    run(letter, stack, as_json=as_json)


def replay(
    letters: LetterNames = None,
    queue: Queue = None,
    reason: Reason = None,
    everything: Everything = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also letters that were replayed or discarded before.")
    ] = False,
    dry_run: DryRun = False,
    by: By = None,
    note: Note = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Send letters back to their queue, byte for byte, and mark them as replayed.

    A message that was handled meanwhile is recognised as a repeat and changes nothing.
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
    """Mark letters as needing no action. They are kept, with who decided, when and why.

    Asks first if letters are selected with --all, --queue or --reason and not named one by one.
    """
    from infra.cli.actions.dead import discard as run

    run(letters, queue, reason, by, note, stack, everything=everything, dry_run=dry_run, yes=yes, as_json=as_json)
