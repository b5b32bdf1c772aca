"""`tributary identity`: the first administrator, the clients and the keys."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes
from infra.terminal.numbers import whole

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

    From the third on, an administrator has to confirm: POST /api/users/USER/confirm, with the printed user id. The
    answer has another one-time password, for the new administrator; the printed one is void then.
    """
    from infra.cli.actions.identity import create_admin as run

    run(email, stack, password_stdin=password_stdin, as_json=as_json)


def create_login(
    email: Annotated[str, typer.Argument(help="The e-mail address to log in with.")],
    distributor_id: Annotated[
        int, typer.Argument(parser=whole(1, DISTRIBUTOR_MAX), help="The distributor, already in the network.")
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
    replace: Annotated[
        bool, typer.Option("--replace", help="The secret leaked: every former one, and its tokens, end now.")
    ] = False,
    http_only: Annotated[
        bool,
        typer.Option(
            "--http-only",
            help="No login at RabbitMQ, and an end to the one it has: for shops that you do not trust with the broker.",
        ),
    ] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Give a shop a secret: for client credentials over HTTP, and as the password of its login at RabbitMQ.

    Over HTTP the secret before works on until the next is made, unless it is replaced; at RabbitMQ it ends at once.
    The shop's webhooks stay: with --replace those that exist are listed, with how to remove them.
    """
    from infra.cli.actions.identity import create_shop as run

    run(shop_id, stack, replace=replace, http_only=http_only, as_json=as_json)


def disable_shop(
    shop_id: Annotated[str, typer.Argument(help="The shop, by the id it was registered with.")],
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """End a shop's logins over HTTP and at RabbitMQ at once, and disable its webhooks.

    `create-shop` gives it new logins.
    """
    from infra.cli.actions.identity import disable_shop as run

    run(shop_id, stack, yes=yes, as_json=as_json)


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
