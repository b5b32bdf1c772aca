"""`tributary identity` and `audit`: the first administrator, the clients, the keys, and the log of changes."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes

PasswordFromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of generating one.")
]


def create_admin(
    email: Annotated[str, typer.Argument(help="The e-mail address to log in with.")],
    password_stdin: PasswordFromInput = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Create an administrator. Prints a one-time password, to be replaced at the first login.

    From the third on, an administrator has to confirm: POST /api/users/USER/confirm, with the printed user id.
    """
    from infra.cli.actions.identity import create_admin as run

    run(email, stack, password_stdin=password_stdin, as_json=as_json)


def create_login(
    email: Annotated[str, typer.Argument(help="The e-mail address to log in with.")],
    distributor_id: Annotated[
        int, typer.Argument(min=1, max=DISTRIBUTOR_MAX, help="The distributor, already in the network.")
    ],
    password_stdin: PasswordFromInput = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Create a login for a distributor already in the network, for instance after an import."""
    from infra.cli.actions.identity import create_login as run

    run(email, distributor_id, stack, password_stdin=password_stdin, as_json=as_json)


def create_shop(
    shop_id: Annotated[str, typer.Argument(help="The shop, by the id it was registered with.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Create a client secret for a shop. The previous secret stays valid until another one is created."""
    from infra.cli.actions.identity import create_shop as run

    run(shop_id, stack, as_json=as_json)


def create_client(
    client_id: Annotated[str, typer.Argument(help="The id that the app will use.")],
    redirect_uris: Annotated[
        list[str], typer.Argument(help="Exact addresses to redirect to; on this machine with any port.")
    ],
    name: Annotated[str, typer.Option("--name", help="What people see on the login page.")] = "",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Register an app for people to log in with (authorization code with PKCE), or replace its registration."""
    from infra.cli.actions.identity import create_client as run

    run(client_id, redirect_uris, name, stack, as_json=as_json)


def rotate_keys(
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="For stolen keys: the present keys and all access tokens become invalid now."),
    ] = False,
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Publish a new signing key, which signs after five minutes; the others verify until their last token expires."""
    from infra.cli.actions.identity import rotate_keys as run

    run(stack, at_once=at_once, yes=yes, as_json=as_json)


def verify_audit(
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="NUMBER:HASH", help="A head that was recorded earlier.")
    ] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Check that no entry of the audit log was changed, removed or added. Exits with 1 if one was.

    Keep the printed head in another place: with it, a log that was truncated and hashed again is detected too.
    """
    from infra.cli.actions.identity import verify_audit as run

    run(expect, stack, as_json=as_json)
