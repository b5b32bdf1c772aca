"""`tributary alerts`: what is stored about alerts, and the commands that change who receives them.

Exit codes: 0 done, 1 refused or not handled yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from contracts.alert_routing.v1 import (
    AcknowledgeAlert,
    CreateSilence,
    DefineRoute,
    EndSilence,
    RemoveRoute,
    RouteTerms,
    TestRoute,
)
from contracts.calendar import ALWAYS
from contracts.notifications.channel import Channel, EmailAddress, Kind
from contracts.notifications.view import NOTICES, NOTIFICATIONS, ROUTES, SILENCES, STANDINGS
from contracts.operations.view import ALERTS
from infra.adapters.mongo import MongoStore
from infra.cli.actions.changing import change, command_of, who
from infra.cli.actions.listing import minute, print_list, read_stored
from infra.cli.actions.rule_file import read_file
from infra.ports.store import Document
from infra.receivers.addresses import Address, address_of, sealed_channel
from infra.receivers.guard import ReceiverRefused
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, refuse, settings_for


class _ChannelFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind
    to: Annotated[list[EmailAddress], Field(max_length=20)] = []
    url: SecretStr | None = None
    secret: SecretStr | None = None


class _RouteFile(RouteTerms):
    model_config = ConfigDict(extra="forbid")

    channel: _ChannelFile


def list_alerts(state: str, kind: str | None, last: int, stack: str, *, as_json: bool) -> None:
    where: dict[str, Any] = {} if state == "any" else {"state": state}
    where |= {"kind": kind} if kind is not None else {}

    async def read(store: MongoStore) -> list[Document]:
        found = await store.find(ALERTS, where, sort=(("_id", 1),), limit=last)
        known = await store.find(STANDINGS, {"_id": {"$in": [alert["_id"] for alert in found]}})
        taken = {each["_id"]: each.get("acknowledged_by") for each in known}
        return [{**alert, "acknowledged_by": taken.get(alert["_id"])} for alert in found]

    def line(alert: Document) -> str:
        by = f" ({alert['acknowledged_by']} takes care of it)" if alert["acknowledged_by"] else ""
        return f"{alert['state']:8} {minute(alert['changed_at'])}  {alert['_id']}  {alert['detail']}{by}"

    print_list(read_stored(stack, read), line, "There is no such alert.", as_json)


def routes(stack: str, *, as_json: bool) -> None:
    async def read(store: MongoStore) -> list[Document]:
        found = await store.find(ROUTES, {"state": "active"}, sort=(("_id", 1),))
        ids = [each["_id"] for each in found]
        retrying = dict(zip(ids, await asyncio.gather(*(_is_retrying(store, route) for route in ids)), strict=True))
        return [
            {
                **each,
                "channel": {key: each["channel"].get(key) for key in ("kind", "to", "host")},
                "is_retrying": retrying[each["_id"]],
            }
            for each in found
        ]

    def line(route: Document) -> str:
        channel, filters = route["channel"], route["filter"]
        where = ", ".join(channel["to"] or ()) or channel["host"]
        kinds = ", ".join(filters["kinds"]) or "all kinds"
        fails = "fails" if route["is_failing"] else "failed, and is tried again" if route["is_retrying"] else ""
        failure = f"; {fails}: {route['last_code']}: {route['last_detail']}" if fails else ""
        return f"{route['_id']}  {channel['kind']} to {where}: {kinds} from {filters['severity_min']} on{failure}"

    print_list(
        read_stored(stack, read), line, "There is no route, so alerts are only listed. See docs/alerts.md.", as_json
    )


async def _is_retrying(store: MongoStore, route: str) -> bool:
    """Whether an attempt by the route failed and will be repeated: a route counts as failing after several."""
    waiting = {"due_at": {"$gt": ALWAYS}, "state": "retrying", "route_id": route}
    return bool(await store.find(NOTIFICATIONS, waiting, limit=1, fields=("_id",)))


def silences(stack: str, *, as_json: bool) -> None:
    async def read(store: MongoStore) -> list[Document]:
        return await store.find(SILENCES, {"ends_at": {"$gt": datetime.now(UTC)}}, sort=(("ends_at", 1),))

    def line(silence: Document) -> str:
        by = f"by {silence['created_by']}: {silence['reason']}"
        return f"{silence['_id']}  until {minute(silence['ends_at'])}, {by}"

    print_list(read_stored(stack, read), line, "No silence holds.", as_json)


def notifications(alert: str | None, route: str | None, last: int, stack: str, *, as_json: bool) -> None:
    where = {name: value for name, value in (("alert", alert), ("route_id", route)) if value is not None}

    async def read(store: MongoStore) -> list[Document]:
        found = await store.find(NOTICES, where, sort=(("_id", -1),), limit=last)
        ids = sorted({notice["notification_id"] for notice in found if "notification_id" in notice})
        sent = {each["_id"]: each for each in await store.find(NOTIFICATIONS, {"_id": {"$in": ids}})}
        return [{**notice, "notification": sent.get(notice.get("notification_id"))} for notice in found]

    def line(notice: Document) -> str:
        item, notification = notice["item"], notice["notification"]
        state = notification["state"] if notification else notice["state"]
        why = (notification or {}).get("detail") or notice.get("reason") or ""
        what = f"{notice['alert']} {item['state']} by {notice['route_id']}"
        return f"{minute(item['since'])}  {what}: {state} {why}".rstrip()

    print_list(read_stored(stack, read), line, "No route has an alert to report.", as_json)


def define_route(route: str, file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    given = read_file(file, _RouteFile)
    terms = given.model_dump(exclude={"channel"})
    address = _address(given.channel)
    channel = (
        _sealed(given.channel.kind, address, route, stack) if address else Channel(kind="email", to=given.channel.to)
    )
    command = command_of(DefineRoute, route_id=route, channel=channel.model_dump(), by=who(by), **terms)
    change(stack, command, wait, as_json, shows_fields=False)


def _address(given: _ChannelFile) -> Address | None:
    """None for an e-mail."""
    try:
        address = address_of(given.kind, given.to, given.url, given.secret)
    except ReceiverRefused as error:
        refuse(f"channel: {error}", EXIT_USAGE)
    if address is None and given.kind != "email":
        refuse("channel.url: give the address of the channel.", EXIT_USAGE)
    return address


def _sealed(kind: Kind, address: Address, route: str, stack: str) -> Channel:
    try:
        with one_sentence_on_failure():
            return asyncio.run(sealed_channel(kind, address, route, settings_for(stack)))
    except ReceiverRefused as error:
        refuse(f"channel: {error}", EXIT_BREACH)


def remove_route(route: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(RemoveRoute, route_id=route, by=who(by)), wait, as_json, shows_fields=False)


def send_test(route: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(TestRoute, route_id=route, by=who(by)), wait, as_json, shows_fields=False)


def acknowledge(alert: str, note: str | None, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(AcknowledgeAlert, alert=alert, note=note, by=who(by)), wait, as_json, shows_fields=False)


def silence(
    name: str,
    until: str,
    reason: str,
    kinds: Sequence[str] | None,
    shops: Sequence[str] | None,
    markets: Sequence[str] | None,
    alert: str | None,
    by: str | None,
    wait: float,
    stack: str,
    *,
    as_json: bool,
) -> None:
    matched = {"kinds": kinds or (), "shops": shops or (), "markets": markets or (), "alert": alert}
    command = command_of(CreateSilence, silence_id=name, until=until, reason=reason, by=who(by), **matched)
    change(stack, command, wait, as_json, shows_fields=False)


def end_silence(name: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(EndSilence, silence_id=name, by=who(by)), wait, as_json, shows_fields=False)
