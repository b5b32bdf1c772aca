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

    A server that already answers is not touched, and one that hangs is restarted.
    Data is in .tributary/, or in $TRIBUTARY_HOME, and survives a restart.
    """
    from infra.cli.actions.stack import up as run

    run(stack)


def down(
    context: typer.Context,
    stack: StackOption = "default",
    remove_data: Annotated[bool, typer.Option("--remove-data", help="Also delete the stack's data and logs.")] = False,
    yes: Yes = False,
) -> None:
    """Stop every process that was started for the stack, and no other.

    The data is kept, unless --remove-data is given, which asks first. Without --stack, the stacks of killed demos and
    benchmarks are stopped and removed too.
    """
    from infra.cli.actions.stack import down as run

    run(context, stack, remove_data=remove_data, yes=yes)


def status(
    stack: StackOption = "default",
    as_json: AsJson = False,
) -> None:
    """Show the state and ports of the stack's servers, and which Tributary programs run on them."""
    from infra.cli.actions.stack import status as run

    run(stack, as_json=as_json)


def setup(
    browser: Annotated[
        bool, typer.Option("--browser", help="Also Chromium, which the tests use for the login page.")
    ] = False,
) -> None:
    """Install the missing servers of the local stack, if this user may install packages."""
    from infra.cli.actions.stack import setup as run

    run(browser=browser)
