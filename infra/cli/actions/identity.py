"""`tributary identity`: the first administrator, the clients and the keys. Secrets are printed only once, here."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from contracts.javascript import all_exact
from contracts.wire.envelope import SHOPS_EXCHANGE
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.cli.actions.operating import with_operations
from infra.cli.actions.webhooks import disable_those_of, those_of
from infra.operators.shop_logins import ShopLogins, shop_address
from infra.ports.store import Document
from infra.ports.time import RealTime
from infra.processes import api_entry
from infra.rehearsal import stored_rules
from infra.settings import Settings
from infra.shops.logins import shop_queue
from infra.shops.readers import READERS
from infra.terminal.environment import agree, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import print_note


def create_admin(email: str, stack: str, *, password_stdin: bool, as_json: bool) -> None:
    password = _read_password() if password_stdin else None
    _check("check_login", email, password)
    one_time, waiting = _with_operations(stack, lambda operations, _: operations.create_admin(email, password))
    _print({"email": email, "one_time_password": one_time, "waits_for_confirmation": waiting}, as_json)


def create_login(email: str, distributor_id: int, stack: str, *, password_stdin: bool, as_json: bool) -> None:
    password = _read_password() if password_stdin else None
    _check("check_login", email, password)
    one_time = _with_operations(
        stack, lambda operations, _: operations.create_distributor_login(email, distributor_id, password)
    )
    _print({"email": email, "distributor_id": distributor_id, "one_time_password": one_time}, as_json)


def create_shop(shop_id: str, stack: str, *, replace: bool, http_only: bool, as_json: bool) -> None:
    async def create(operations: Any, settings: Settings) -> dict[str, Any]:
        await operations.require_shop(shop_id)
        client_id, secret = await operations.create_shop(shop_id, replace=replace)
        made: dict[str, Any] = {"client_id": client_id, "client_secret": secret}
        if replace:
            async with stored_rules.opened(settings) as store:
                left[:] = await those_of(store, shop_id, "enabled", "disabled")
        async with _shop_logins(settings) as logins:
            if logins is None:
                return made
            connections_left = await (logins.end(shop_id) if http_only else logins.save(shop_id, secret))
        if not http_only:
            address = shop_address(settings.rabbitmq_url, shop_id, secret)
            made |= {"rabbitmq_url": address, "exchange": SHOPS_EXCHANGE, "queue": shop_queue(shop_id).name}
        return {**made, "connections_left": connections_left} if replace or http_only else made

    left: list[Document] = []
    _check("check_shop_id", shop_id)
    made = _with_operations(stack, create)
    _print(made, as_json)
    if "rabbitmq_url" not in made and not http_only:
        print_note("Without RABBITMQ_MANAGEMENT_URL the shop has a login for HTTP alone.")
    _note_connections_left(made.get("connections_left"))
    for webhook in left:
        print_note(
            f"Webhook {webhook['_id']} to {webhook['host']} stays {webhook['state']}: if the shop does not know it, "
            f"`tributary webhooks remove {webhook['_id']}`; if its secret leaked too, have the shop rotate it with "
            f"POST /api/webhooks/{webhook['_id']}/rotate-secret."
        )


def disable_shop(shop_id: str, stack: str, *, yes: bool, as_json: bool) -> None:
    async def disable(operations: Any, settings: Settings) -> dict[str, Any]:
        await operations.disable_shop(shop_id)
        async with _shop_logins(settings) as logins:
            left = None if logins is None else await logins.end(shop_id)
        async with stored_rules.opened(settings) as store:
            done, waiting = await disable_those_of(settings, store, shop_id)
        noted = {"webhook.disabled": done, "webhook.disable-sent": waiting}
        for action, webhook_ids in noted.items():
            for webhook_id in webhook_ids:
                await operations.note(action, webhook_id, {"shop_id": shop_id})
        at_broker = "not looked at" if left is None else "disabled"
        ended = {"shop_id": shop_id, "http": "disabled", "broker": at_broker, "connections_left": left}
        return {**ended, "webhooks_disabled": done, "webhooks_waiting": waiting}

    _check("check_shop_id", shop_id)
    agree(f"end every login of shop {shop_id}, and disable its webhooks", yes=yes)
    ended = _with_operations(stack, disable)
    _print(ended, as_json)
    if ended["broker"] != "disabled":
        print_note("Set RABBITMQ_MANAGEMENT_URL and repeat this to end the shop's login at the broker too.")
    _note_connections_left(ended["connections_left"])
    if ended["webhooks_waiting"]:
        print_note("`tributary work shop_webhooks` has not answered; it disables these as soon as it runs. Look again.")


def _note_connections_left(left: int | None) -> None:
    if left:
        print_note(
            f"{left} connections of the shop are still open: the broker ends those that flood it late. Repeat this in "
            "half a minute; if some are left then, close their addresses at the firewall: `rabbitmqctl "
            "list_connections user peer_host` has them."
        )


@asynccontextmanager
async def _shop_logins(settings: Settings) -> AsyncIterator[ShopLogins | None]:
    """None where the broker's management API has no address."""
    if settings.rabbitmq_management_url is None:
        yield None
        return
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.prepare([READERS])
        yield ShopLogins(BrokerAdmin(settings.rabbitmq_management_url), store, RealTime())
    finally:
        store.close()


def create_client(client_id: str, redirect_uris: list[str], name: str, stack: str, *, as_json: bool) -> None:
    _check("check_client", client_id, name or client_id, redirect_uris)
    _with_operations(stack, lambda operations, _: operations.create_client(client_id, name or client_id, redirect_uris))
    _print({"client_id": client_id, "redirect_uris": redirect_uris}, as_json)


def rotate_keys(stack: str, *, at_once: bool, yes: bool, as_json: bool) -> None:
    if at_once:
        agree("end every access token that is out", yes=yes)
    kid, signs_from = _with_operations(stack, lambda operations, _: operations.rotate_keys(at_once=at_once))
    _print({"kid": kid, "signs_from": signs_from}, as_json)


def _check(check: str, *given: Any) -> None:
    """End with a sentence if an argument is invalid, before any question or write."""
    identity = api_entry.module()
    try:
        getattr(identity, check)(*given)
    except identity.InvalidArgument as error:
        refuse(str(error))


def _with_operations(stack: str, act: Callable[[Any, Settings], Awaitable[Any]]) -> Any:
    async def change(operations: Any) -> Any:
        await operations.require_key()
        return await act(operations, settings_for(stack))

    return with_operations(stack, change)


def _read_password() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        refuse("The password is not valid UTF-8; give another.")


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_text(json.dumps(all_exact(found), indent=2))
        return
    for name, value in found.items():
        if value is not None and value != []:
            print_line(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
