"""Whether clients, and users who may do more than a distributor, are as the audit log left them: a writer of the
database makes neither unseen.

The log itself is verified before. What has no entry of its own is not compared: passwords, and who touched an account.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from api.identity.accounts.users import for_audit
from api.identity.model import User
from api.identity.oauth.clients import SECRETS_KEPT
from api.identity.permissions import DEFAULTS
from api.identity.repository import CLIENTS, USERS
from api.storage.protocols import Documents
from api.storage.repository import AUDIT
from infra.ports.store import Document
from infra.ports.time import Time

BREACHES_MAX = 100

_LOOKS, _PAUSE_S = 3, 0.2
"""A change between the two reads, of the account and of its entries, is no breach."""


async def breaches_of_accounts(store: Documents, time: Time) -> list[str]:
    """A sentence for each such user, and each client, that differs from its newest entry or has none."""
    found: list[str] = []
    async for document in store.stream(USERS.name, {}):
        if _has_more_rights(USERS.entity_of(document)):
            found += await _lasting(time, lambda key=document["_id"]: _of_user(store, key))  # type: ignore[misc]
    async for document in store.stream(CLIENTS.name, {}):
        found += await _lasting(time, lambda key=document["_id"]: _of_client(store, key))  # type: ignore[misc]
    return found[:BREACHES_MAX]


def _has_more_rights(user: User) -> bool:
    return user.is_privileged or bool(user.permissions - DEFAULTS["ROLE_DISTRIBUTOR"])


async def _lasting(time: Time, look: Callable[[], Awaitable[list[str]]]) -> list[str]:
    found = await look()
    for _ in range(_LOOKS - 1):
        if found:
            await time.sleep(_PAUSE_S)
            found = await look()
    return found


async def _of_user(store: Documents, user_id: str) -> list[str]:
    user = await USERS.get(store, user_id)
    if user is None:
        return []
    newest = await store.find(AUDIT.name, {"target": f"user/{user_id}"}, sort=(("_id", -1),), limit=1)
    stated = (newest[0].get("after") if newest else None) or {}
    if not stated:
        return [f"user {user_id} has rights and no entry: another hand made it"]
    actual = json.loads(json.dumps(for_audit(user), default=str))
    # A later version may derive other permissions from the same roles.
    names = sorted(name for name in {*stated, *actual} - {"permissions"} if not _is_same(name, stated, actual))
    changed = f"user {user_id} differs from entry {newest[0]['_id']} in {', '.join(names)}: another hand changed it"
    return [changed] if names else []


def _is_same(name: str, stated: Document, actual: Document) -> bool:
    if name != "pending":
        return bool(stated.get(name) == actual.get(name))
    mine, theirs = ({**(each.get(name) or {}), "at": None} for each in (stated, actual))
    return mine == theirs


async def _of_client(store: Documents, client_id: str) -> list[str]:
    client = await CLIENTS.get(store, client_id)
    if client is None:
        return []
    entries = await store.find(AUDIT.name, {"target": client_id}, sort=(("_id", 1),))
    stated: dict[str, Any] = {}
    for entry in entries:
        stated = _after(entry["action"], entry.get("after") or {}, stated)
    if not stated:
        return [f"client {client_id} has no entry: another hand made it"]
    actual = {
        "kind": client.kind,
        "active": client.active,
        "shop_id": client.shop_id,
        "redirect_uris": list(client.redirect_uris),
        "granted": list(client.granted),
        "secrets": len(client.secret_hashes),
    }
    names = [name for name, value in actual.items() if stated.get(name) != value]
    changed = f"client {client_id} differs from its entries in {', '.join(names)}: another hand changed it"
    return [changed] if names else []


def _after(action: str, after: Document, before: dict[str, Any]) -> dict[str, Any]:
    """What is known of a client after one more of its entries."""
    made: dict[str, Any] = {"active": True, "shop_id": None, "redirect_uris": [], "granted": [], "secrets": 0}
    match action:
        case "client.saved":
            return {**made, "kind": "public", "redirect_uris": after.get("redirect_uris")}
        case "client.secret-added":
            secrets = 1 if after.get("replaced") else min(before.get("secrets", 0) + 1, SECRETS_KEPT)
            return {**made, "kind": "shop", "shop_id": after.get("shop_id"), "secrets": secrets}
        case "client.disabled":
            return {**before, "active": False, "secrets": 0}
    return before
