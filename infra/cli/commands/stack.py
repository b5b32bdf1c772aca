"""`tributary up`, `down`, `status` and `setup`: the local stack."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Yes, usable_stack

StackOption = Annotated[
    str,
    typer.Option(
        "--stack",
        envvar="TRIBUTARY_STACK",
        metavar="NAME",
        callback=usable_stack,
        help="Which stack: each has its own servers, ports and data.",
    ),
]


def up(stack: StackOption = "default") -> None:
    """Start RabbitMQ, MongoDB and Redis on private ports, without Docker.

    What already runs and answers is left alone, and what hangs is restarted.
    Data lies in .tributary/, or in $TRIBUTARY_HOME, and outlives a restart.
    """
    from infra.cli.actions.stack import up as run

    run(stack)


def down(
    context: typer.Context,
    stack: StackOption = "default",
    remove_data: Annotated[bool, typer.Option("--remove-data", help="Also delete the stack's data and logs.")] = False,
    yes: Yes = False,
) -> None:
    """Stop what was started for the stack, however its starter ended, and nothing else.

    The data is kept, unless --remove-data is given, which asks first. Where no stack is named, what demos and
    benchmarks that were killed have left is stopped and removed too.
    """
    from infra.cli.actions.stack import down as run

    run(context, stack, remove_data=remove_data, yes=yes)


def status(
    stack: StackOption = "default",
    as_json: AsJson = False,
) -> None:
    """Show which servers of the stack run and answer, and where, and which programs of ours run on them."""
    from infra.cli.actions.stack import status as run

    run(stack, as_json=as_json)


def setup(
    browser: Annotated[
        bool, typer.Option("--browser", help="Also Chromium, with which the tests try the login page.")
    ] = False,
) -> None:
    """Install the servers that the local stack needs where they are missing and this user may install them."""
    from infra.cli.actions.stack import setup as run

    run(browser=browser)
