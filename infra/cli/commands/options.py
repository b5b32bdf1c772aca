"""Options that several groups of commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.numbers import seconds, whole

By = Annotated[
    str | None, typer.Option("--by", help="Who does it; beside your user name.", show_default="your user name")
]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", parser=seconds, help="How long to wait for the answer.")
]
Last = Annotated[int, typer.Option("--last", parser=whole(1, 10_000), help="At most this number of them.")]
