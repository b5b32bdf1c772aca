"""`tributary schema`: compare and update the released message schemas and the AsyncAPI document."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from contracts.wire import schema
from infra.terminal.environment import EXIT_BREACH
from infra.terminal.printing import print_line, print_text


def check(folder: Path | None, document: Path | None, *, as_json: bool) -> None:
    problems = schema.check(folder or schema.FOLDER, document or schema.DOCUMENT)
    if as_json:
        print_text(json.dumps({"ok": not problems, "problems": problems}))
    elif problems:
        for problem in problems:
            print_line(problem, err=True)
    else:
        print_line("Every message matches its released schema.")
    raise typer.Exit(EXIT_BREACH if problems else 0)


def export(folder: Path | None, document: Path | None) -> None:
    exported = schema.export(folder or schema.FOLDER, document or schema.DOCUMENT)
    for path in exported.written:
        print_line(f"Wrote {path}.")
    for problem in exported.problems:
        print_line(problem, err=True)
    if not exported.written and not exported.problems:
        print_line("Nothing to write: every file is up to date.")
    raise typer.Exit(EXIT_BREACH if exported.problems else 0)
