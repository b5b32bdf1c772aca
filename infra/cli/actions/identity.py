"""`tributary identity`: the first administrator, the clients and the keys. Secrets are printed only once, here."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import typer

from contracts.javascript import all_exact
from infra.processes import api_entry
from infra.telemetry import logs
from infra.terminal.environment import EXIT_BREACH, agree, one_sentence_on_failure, refuse, settings_for

_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


def create_admin(email: str, stack: str, *, password_stdin: bool, as_json: bool) -> None:
    password = _read_password() if password_stdin else None
    _check("check_login", email, password)
    one_time, waiting = _with_operations(stack, lambda operations: operations.create_admin(email, password))
    _print({"email": email, "one_time_password": one_time, "waits_for_confirmation": waiting}, as_json)


def create_login(email: str, distributor_id: int, stack: str, *, password_stdin: bool, as_json: bool) -> None:
    password = _read_password() if password_stdin else None
    _check("check_login", email, password)
    one_time = _with_operations(
        stack, lambda operations: operations.create_distributor_login(email, distributor_id, password)
    )
    _print({"email": email, "distributor_id": distributor_id, "one_time_password": one_time}, as_json)


def create_shop(shop_id: str, stack: str, *, as_json: bool) -> None:
    async def create(operations: Any) -> tuple[str, str]:
        await operations.require_shop(shop_id)
        created: tuple[str, str] = await operations.create_shop(shop_id)
        return created

    _check("check_shop_id", shop_id)
    client_id, secret = _with_operations(stack, create)
    _print({"client_id": client_id, "client_secret": secret}, as_json)


def create_client(client_id: str, redirect_uris: list[str], name: str, stack: str, *, as_json: bool) -> None:
    _check("check_client", client_id, name or client_id, redirect_uris)
    _with_operations(stack, lambda operations: operations.create_client(client_id, name or client_id, redirect_uris))
    _print({"client_id": client_id, "redirect_uris": redirect_uris}, as_json)


def rotate_keys(stack: str, *, at_once: bool, yes: bool, as_json: bool) -> None:
    if at_once:
        agree("end every access token", yes=yes)
    kid, signs_from = _with_operations(stack, lambda operations: operations.rotate_keys(at_once=at_once))
    _print({"kid": kid, "signs_from": signs_from}, as_json)


def verify_audit(expect: str | None, stack: str, *, as_json: bool) -> None:
    expected = _expected(expect)
    verified = _with_operations(stack, lambda operations: operations.verify_audit(expected))
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
    if (head := _HEAD.fullmatch(text)) is None:
        refuse("--expect takes the head that `tributary audit verify` printed: NUMBER:HASH.")
    return int(head[1]), head[2]


def _check(check: str, *given: Any) -> None:
    """End with a sentence if an argument is invalid, before any question or write."""
    identity = api_entry.module()
    try:
        getattr(identity, check)(*given)
    except identity.InvalidArgument as error:
        refuse(str(error))


def _with_operations(stack: str, act: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with api_entry.operations(settings) as operations:
            return await act(operations)

    with one_sentence_on_failure():
        settings = settings_for(stack)
        logs.configure(settings.log_level)
        try:
            return asyncio.run(run())
        except api_entry.module().OperationFailed as error:
            refuse(str(error), EXIT_BREACH)


def _read_password() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        refuse("The password is not valid UTF-8; give another.")


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(all_exact(found), indent=2))
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
