"""`tributary verify` and `doctor`: check the invariants and the health of the system."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Stack


def verify(
    stack: Stack = "default",
    as_json: AsJson = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also open an alert for each breached invariant, and resolve the others.")
    ] = False,
) -> None:
    """Check every invariant over the stored state, with figures; the system may keep working.

    Exits with 0 if all of them hold, 1 if one is breached, 3 if the check could not finish. Progress is shown on
    standard error.
    """
    from infra.cli.actions.verify import verify_command as run

    run(stack, as_json=as_json, report_alerts=report)


def doctor(stack: Stack = "default", as_json: AsJson = False) -> None:
    """Check servers, queues, collections, dead letters and alerts, and print what to do. Changes nothing.

    Exits with 0 if there is no problem (a warning is not a problem), 1 if there is one, 3 if no server answers.
    """
    from infra.cli.actions.doctor import doctor as run

    run(stack, as_json=as_json)
