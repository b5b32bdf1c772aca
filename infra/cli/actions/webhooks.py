"""`tributary webhooks`: the webhooks of shops, what was sent to them, and the commands of operators about them.

Neither addresses nor secrets nor contents of events are shown. Exit codes: 0 done, 1 unknown, refused or not handled
yet, 2 wrong usage, 3 the environment does not allow it.
"""

from __future__ import annotations

import asyncio

from contracts.webhooks.v1 import DisableWebhook, EnableWebhook, RedeliverWebhook, RemoveWebhook
from contracts.webhooks.view import DELIVERIES, WEBHOOKS, DeliveryState
from contracts.wire.envelope import Payload
from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.cli.actions import commanding
from infra.cli.actions.changing import change, command_of, who
from infra.cli.actions.listing import minute, print_list, read_stored
from infra.ports.store import Document, Reader
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, refuse

_COUNTS = ("waiting", "not_kept", "failing_since", "paused_until")
_SHOWN = ("shop_id", "types", "host", "state", "defined_at", "in_flight", *_COUNTS, "code", "detail")
_ANSWERED_WITHIN_S = 15
_SENT = ("event_id", "event_type", "state", "created_at", "due_at", "attempts", "notes", "ended_at")


def list_webhooks(shop: str | None, last: int, stack: str, *, as_json: bool) -> None:
    where = {"state": {"$in": ["enabled", "disabled"]}, **({"shop_id": shop} if shop is not None else {})}

    async def read(store: MongoStore) -> list[Document]:
        return await store.find(WEBHOOKS, where, sort=(("shop_id", 1), ("_id", 1)), limit=last, fields=_SHOWN)

    def line(webhook: Document) -> str:
        why = f": {webhook['code']}: {webhook['detail']}" if webhook.get("code") else ""
        what = f"{', '.join(webhook['types'])} to {webhook['host']}"
        failing = f", failing since {minute(since)}" if (since := webhook.get("failing_since")) else ""
        waits = f", {webhook['waiting']} waiting" if webhook["waiting"] else ""
        lost = f", {webhook['not_kept']} not kept" if webhook["not_kept"] else ""
        return f"{webhook['_id']}  {webhook['shop_id']}: {what}, {webhook['state']}{failing}{waits}{lost}{why}"

    print_list(read_stored(stack, read), line, "There is no such webhook. See docs/webhooks.md.", as_json)


def attempts(webhook_id: str, state: DeliveryState | None, last: int, stack: str, *, as_json: bool) -> None:
    where = {"webhook_id": webhook_id, **({"state": state} if state is not None else {})}

    async def read(store: MongoStore) -> list[Document]:
        return await store.find(DELIVERIES, where, sort=(("created_at", -1), ("_id", -1)), limit=last, fields=_SENT)

    def line(delivery: Document) -> str:
        notes, due_at = delivery["notes"], delivery.get("due_at")
        why = f" {notes[-1]['code']}: {notes[-1]['detail']}" if notes else ""
        following = f" (next attempt {minute(due_at)})" if delivery["state"] == "waiting" and due_at else ""
        what = f"{delivery['_id']}  {delivery['event_type']}"
        return f"{minute(delivery['created_at'])}  {what}: {delivery['state']}{following}{why}"

    print_list(read_stored(stack, read), line, "Nothing was sent there in the last 30 days.", as_json)


def redeliver(webhook_id: str, delivery_id: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    _change(RedeliverWebhook, webhook_id, by, wait, stack, as_json, delivery_id=delivery_id)


def enable(webhook_id: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    _change(EnableWebhook, webhook_id, by, wait, stack, as_json)


def disable(webhook_id: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    _change(DisableWebhook, webhook_id, by, wait, stack, as_json)


def remove(webhook_id: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    _change(RemoveWebhook, webhook_id, by, wait, stack, as_json)


def _change(
    payload: type[Payload], webhook_id: str, by: str | None, wait: float, stack: str, as_json: bool, **fields: str
) -> None:
    """Send the command in the name of the shop whose webhook it is."""

    async def read(store: MongoStore) -> list[Document]:
        return await store.find(WEBHOOKS, {"_id": webhook_id}, limit=1, fields=("shop_id",))

    found = read_stored(stack, read)
    if not found:
        refuse(f"There is no webhook {webhook_id}; `tributary webhooks list` shows those there are.", EXIT_BREACH)
    shop_id = found[0]["shop_id"]
    change(
        stack,
        command_of(payload, webhook_id=webhook_id, shop_id=shop_id, by=who(by), **fields),
        wait,
        as_json,
        shows_fields=False,
    )


async def those_of(store: Reader, shop_id: str, *states: str) -> list[Document]:
    """The webhooks of a shop in these states."""
    where = {"shop_id": shop_id, "state": {"$in": list(states)}}
    return await store.find(WEBHOOKS, where, sort=(("_id", 1),), fields=("host", "state"))


async def disable_those_of(settings: Settings, store: MongoStore, shop_id: str) -> tuple[list[str], list[str]]:
    """Disable the webhooks of a shop by messages. The ids of those that are disabled, and of those whose worker has not
    answered: it disables them as soon as it runs. One that is refused was removed meanwhile. Raises BrokerUnavailable.
    """

    async def disable_one(webhook_id: str) -> commanding.Outcome:
        user = os_user()
        command = DisableWebhook(webhook_id=webhook_id, shop_id=shop_id, by=user, os_user=user)
        return await commanding.send(settings, store, command, wait_s=_ANSWERED_WITHIN_S)

    ids = [webhook["_id"] for webhook in await those_of(store, shop_id, "enabled")]
    outcomes = list(zip(ids, await asyncio.gather(*map(disable_one, ids)), strict=True))
    waiting = [one for one, outcome in outcomes if outcome.state != "handled"]
    return [one for one, outcome in outcomes if one not in waiting and outcome.refusal is None], waiting
