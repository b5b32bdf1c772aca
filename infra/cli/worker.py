"""Only `tributary work`, so that a process of a fleet does not load the other commands."""

from __future__ import annotations

import typer

from infra.cli import ending
from infra.cli.commands.work import work

if __name__ == "__main__":
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command()(work)
    ending.run(alone)
