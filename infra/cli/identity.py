"""`tributary identity`: the first administrator, the clients, and the keys. Secrets are printed once, and only here."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from contracts.javascript import all_exact
from infra.cli.environment import EXIT_BREACH, EXIT_USAGE, AsJson, Stack, one_sentence_on_failure, settings_for
from infra.runtime import front, logs

PasswordFromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of making one.")
]


def create_admin(
    email: Annotated[str, typer.Argument(help="The e-mail address to log in with.")],
    password_stdin: PasswordFromInput = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Create an administrator. Prints a password for one login, which must be replaced there."""
    password = _read_password() if password_stdin else None
    one_time = _with_operations(stack, lambda operations: operations.create_admin(email, password))
    _print({"email": email, "one_time_password": one_time}, as_json)


def create_login(
    email: Annotated[str, typer.Argument(help="The e-mail address to log in with.")],
    distributor_id: Annotated[int, typer.Argument(min=1, help="The distributor, who is in the network already.")],
    password_stdin: PasswordFromInput = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Create a login for a distributor who is in the network already, for instance by import."""
    password = _read_password() if password_stdin else None
    one_time = _with_operations(
        stack, lambda operations: operations.create_distributor_login(email, distributor_id, password)
    )
    _print({"email": email, "distributor_id": distributor_id, "one_time_password": one_time}, as_json)


def create_shop(
    shop_id: Annotated[str, typer.Argument(help="The shop, by the id it was registered with.")],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Give a shop a secret for client credentials. The one before works on until the next is made."""
    client_id, secret = _with_operations(stack, lambda operations: operations.create_shop(shop_id))
    _print({"client_id": client_id, "client_secret": secret}, as_json)


def create_client(
    client_id: Annotated[str, typer.Argument(help="The id that the app will use.")],
    redirect_uris: Annotated[
        list[str], typer.Argument(help="Where it may be answered, letter by letter; on this machine at any port.")
    ],
    name: Annotated[str, typer.Option("--name", help="What people see on the login page.")] = "",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Register an app that people log in with (authorization code with PKCE); saving it again replaces it."""
    _with_operations(stack, lambda operations: operations.create_client(client_id, name or client_id, redirect_uris))
    _print({"client_id": client_id, "redirect_uris": redirect_uris}, as_json)


def rotate_keys(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The present keys were stolen: they, and all access tokens, end now.")
    ] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Publish a new signing key, which signs after five minutes; the others verify until their last token is dead."""
    kid, signs_from = _with_operations(stack, lambda operations: operations.rotate_keys(at_once=at_once))
    _print({"kid": kid, "signs_from": signs_from}, as_json)


def verify_audit(
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="NUMBER:HASH", help="A head that was noted down earlier.")
    ] = None,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Check that no entry of the audit log was changed, removed or added. Exits with 1 if one was.

    Note down the head that it prints, somewhere else: with it, even a log that was cut off and sealed again shows.
    """
    verified = _with_operations(stack, lambda operations: operations.verify_audit(_expected(expect)))
    found = {
        "holds": not verified.breaches,
        "entries": verified.head.number,
        "head": f"{verified.head.number}:{verified.head.hash}",
        "breaches": list(verified.breaches),
    }
    _print(found, as_json)
    raise typer.Exit(EXIT_BREACH if verified.breaches else 0)


def _expected(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        typer.echo("--expect is what `tributary audit verify` printed as head: NUMBER:HASH.", err=True)
        raise typer.Exit(EXIT_USAGE)
    return int(number), digest


def _with_operations(stack: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with front.operations(settings) as operations:
            return await act(operations)

    with one_sentence_on_failure():
        settings = settings_for(stack)
        logs.configure(settings.log_level)
        try:
            return asyncio.run(run())
        except front.module().CannotBeDone as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(EXIT_BREACH) from error


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(all_exact(found), indent=2))
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
