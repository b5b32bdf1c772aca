"""`tributary payees`: how distributors are paid, and who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.commands.keys import Distributor
from infra.cli.commands.options import By, Wait
from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack
from infra.terminal.numbers import whole

Approver = Annotated[
    int | None,
    typer.Option(
        "--approver-distributor",
        metavar="NUMBER",
        parser=whole(1, DISTRIBUTOR_MAX),
        help="Your own number, if you are a distributor.",
    ),
]


def show(distributor: Distributor, stack: Stack = "default", as_json: AsJson = False) -> None:
    """Show how a distributor is paid, without the account, and why nothing is sent, if nothing is."""
    from infra.cli.actions.payees import show as run

    run(distributor, stack, as_json=as_json)


def set_method(
    distributor: Distributor,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The method in JSON or YAML; see docs/payees.md.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Set how a distributor is paid. Delete the file afterwards: it has the account in clear.

    An account that replaces another is used after 72 hours.
    """
    from infra.cli.actions.payees import set_method as run

    run(distributor, file, by, wait, stack, as_json=as_json)


def remove(
    distributor: Distributor, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Remove how a distributor is paid. Nothing more is sent until there is another method."""
    from infra.cli.actions.payees import remove as run

    run(distributor, by, wait, stack, as_json=as_json)


def allow_duplicate(
    distributor: Distributor,
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", metavar="DIGEST", help="Of the account that was refused, or its beginning.")
    ],
    by: By = None,
    approver: Approver = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Allow an account that another distributor has too. Two persons do; then it can be set."""
    from infra.cli.actions.payees import allow_duplicate as run

    run(distributor, fingerprint, by, approver, wait, stack, as_json=as_json)


def waive(
    distributor: Distributor,
    method: Annotated[str, typer.Option("--method", metavar="ID", help="The method, as `payees show` names it.")],
    by: By = None,
    approver: Approver = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Let payouts go to a new account before its cooling-off ends. Two persons do."""
    from infra.cli.actions.payees import waive as run

    run(distributor, method, by, approver, wait, stack, as_json=as_json)


def identity(
    distributor: Distributor,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The identity in JSON or YAML; see docs/payees.md.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Submit who a distributor is. Another person decides about it. Delete the file afterwards."""
    from infra.cli.actions.payees import identity as run

    run(distributor, file, by, wait, stack, as_json=as_json)


def decide_identity(
    distributor: Distributor,
    identity_id: Annotated[str, typer.Option("--identity", metavar="ID", help="As `payees show` names it.")],
    state: Annotated[Literal["verified", "rejected", "expired"], typer.Option("--state", help="What you decide.")],
    reason: Annotated[str | None, typer.Option("--reason", metavar="CODE", help="A code of your own.")] = None,
    by: By = None,
    approver: Approver = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Decide about an identity that another person has submitted."""
    from infra.cli.actions.payees import Deciding
    from infra.cli.actions.payees import decide_identity as run

    run(distributor, Deciding(identity_id, state, reason, approver), by, wait, stack, as_json=as_json)
