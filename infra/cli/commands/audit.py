"""`tributary audit`: the log of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Stack, Yes


def verify(
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="NUMBER:HASH", help="A head that was recorded earlier.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option("--heads", metavar="FILE", help="JSON log lines, kept elsewhere: their heads.")
    ] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Check that no entry of the audit log was changed, removed or added. Exits with 1 if one was.

    With TRIBUTARY_IDENTITY_SECRET as the API has it, a log that was rewritten as a whole is detected too. An older
    state of the log that was put back with its head is found by heads recorded elsewhere: --heads or --expect.
    """
    from infra.cli.actions.audit import verify as run

    run(expect, heads, stack, as_json=as_json)


def seal(stack: Stack = "default", yes: Yes = False, as_json: AsJson = False) -> None:
    """Vouch for all entries so far: once, after the secret was set or replaced, when you know that they are right."""
    from infra.cli.actions.audit import seal as run

    run(stack, yes=yes, as_json=as_json)


def list_changes(
    target: Annotated[
        str | None, typer.Option("--target", metavar="THING", help="Changes of one thing, such as rules/2.")
    ] = None,
    who: Annotated[
        str | None, typer.Option("--who", metavar="SUBJECT", help="Changes by one user, operator or sender.")
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, max=10_000, help="How many of the newest.")] = 50,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List changes, by whatever way they came: HTTP, the command line, or messages at the broker."""
    from infra.cli.actions.audit import list_changes as run

    run(target, who, last, stack, as_json=as_json)
