"""`tributary verify` and `doctor`: do the invariants hold, and is everything as it should be?"""

from __future__ import annotations

from infra.terminal.environment import AsJson, Stack


def verify(stack: Stack = "default", as_json: AsJson = False) -> None:
    """Check every invariant over the stored state, with figures, while the system may go on working.

    Exits with 0 where all of them hold, 1 where one is breached, 3 where it could not be checked to the end. Progress
    is shown on standard error.
    """
    from infra.cli.actions.verify import verify_command as run

    run(stack, as_json=as_json)


def doctor(stack: Stack = "default", as_json: AsJson = False) -> None:
    """Look at the servers, queues, collections and what waits for a person; say what to do. Changes nothing.

    Exits with 0 where there is no problem (warnings are none), 1 where there is one, 3 where no server answers.
    """
    from infra.cli.actions.doctor import doctor as run

    run(stack, as_json=as_json)
