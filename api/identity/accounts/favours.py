"""Whom an administrator has favoured of late: a login for one of those would make the favour their own.

`own_standing` and `own_earnings` look at the logins that someone made. This looks the other way round, so that it makes
no difference which of the two steps came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from api.http.problems import Problem
from api.identity.accounts.two_persons import INDEPENDENT_AFTER, Author
from api.identity.repository import USERS
from api.storage.audit_log import written
from api.storage.network import ever_above, leaders_of
from api.storage.repository import AUDIT, MESSAGES
from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    JoinTeam,
    MoveDistributor,
    RegisterDistributor,
)
from contracts.network.view import DISTRIBUTORS
from contracts.orders import v1, v2
from contracts.orders.view import ORDERS
from contracts.settlement.v1 import ApproveAdjustment, ProposeAdjustment
from contracts.settlement.view import ADJUSTMENTS
from contracts.wire.envelope import Command
from infra.ports.store import Document, Reader, Transaction

_MOVE, _JOIN = MoveDistributor.message_type, JoinTeam.message_type
_STANDING = (RegisterDistributor.message_type, ChangeDistributor.message_type, _MOVE)
_TEAM = (CreateTeam.message_type, ChangeLeader.message_type, _JOIN)
_ORDER = tuple(kind.message_type for kind in (v1.PlaceOrder, v2.PlaceOrder, v1.UpdateStatus, v1.ChangeAfterSale))
_PROPOSED, _APPROVED = ProposeAdjustment.message_type, ApproveAdjustment.message_type
_MONEY = (*_ORDER, _PROPOSED, _APPROVED)
_FIELDS = ("action", "target", "after")
_LOOKED_AT_MAX = 20_000
_FAVOURS = frozenset({*_STANDING, *_TEAM, *_MONEY})

_PENDING = timedelta(seconds=30)
"""By then a command has its entry, or was refused: a request waits ten seconds for the answer at most."""

_PENDING_MAX = 1_000


async def note_favour(tx: Transaction, user_id: str, key: str, command: Command, now: datetime) -> None:
    """Before a command of a person is sent: note it, if it may favour a distributor. Its entry in the audit log comes
    after the answer, so a login that is made meanwhile would not see it; one made just before was not seen by the
    checks of the command. Both write one document, so that of two at the same time one is repeated. A token without
    `users:write` is no exception: its holder may have another one.

    Raises Problem own_earnings, own_standing.
    """
    if command.message_type not in _FAVOURS:
        return
    after = command.model_dump(mode="json", exclude_none=True)
    if command.message_type in _ORDER and not _brings_money(after):
        return
    done = [{"action": command.message_type, "target": command.about(), "after": after}]
    acting = await _acting(tx, user_id, now)
    await tx.replace(MESSAGES.name, [{**acting, "pending": [*acting["pending"], {"key": key, "at": now}]}])
    favoured = await _favoured(tx, done)
    users = await USERS.all(tx, {"distributor_id": {"$in": sorted(favoured)}}) if favoured else []
    if any(touch.by == user_id and touch.at > now - _PENDING for user in users for touch in user.touched):
        raise Problem("own_earnings" if command.message_type in _MONEY else "own_standing")


async def _acting(reader: Reader, user_id: str, now: datetime) -> Document:
    """The document of what this user has sent within _PENDING."""
    found = await reader.find(MESSAGES.name, {"_id": f"acting/{user_id}"})
    pending = found[0]["pending"] if found else ()
    fresh = [each for each in pending if each["at"] > now - _PENDING]
    return {"_id": f"acting/{user_id}", "at": now, "pending": fresh[-_PENDING_MAX:]}


async def require_unfavoured(tx: Transaction, author: Author, distributor_id: int | None, now: datetime) -> None:
    """Raise Problem not_independent where the author, who is about to hold the password of a distributor, within a week
    registered, moved or changed that one, moved others below, made them a leader or added to their team, brought the
    money of their orders closer, or proposed or approved an adjustment for them. An operator of the command line is no
    user, and has no such entries.
    """
    if distributor_id is None or author.user_id is None:
        return
    where = {
        "who.subject": author.user_id,
        "action": {"$in": sorted(_FAVOURS)},
        "at": {"$gt": now - INDEPENDENT_AFTER},
    }
    done = await tx.find(AUDIT.name, where, sort=(("_id", -1),), limit=_LOOKED_AT_MAX, fields=_FIELDS)
    if len(done) == _LOOKED_AT_MAX:
        # Older ones, which are not looked at, may be about this distributor.
        detail = f"You made {_LOOKED_AT_MAX} changes within a week or more; ask another administrator for the login."
        raise Problem("not_independent", detail=detail)
    acting = await _acting(tx, author.user_id, now)
    await tx.replace(MESSAGES.name, [acting])
    keys = [each["key"] for each in acting["pending"]]
    if keys and len(await written(tx, keys)) < len(keys):
        detail = f"A command of yours has no entry yet, or was refused; try again in {_PENDING.seconds} seconds."
        raise Problem("not_independent", detail=detail)
    favoured = await _favoured(tx, done)
    if distributor_id in favoured:
        days = INDEPENDENT_AFTER.days
        detail = (
            f"distributor_id: within {days} days you registered, moved or changed distributor {distributor_id}, "
            "reported an order that pays them, or proposed or approved an adjustment for them; ask another "
            "administrator for the login."
        )
        raise Problem("not_independent", detail=detail)


async def _favoured(reader: Reader, done: Sequence[Document]) -> set[int]:
    above = await ever_above(reader, _ids(done, "sponsor_id", _MOVE))
    leading = await leaders_of(reader, _ids(done, "team_id", _JOIN))
    return _named(done) | above | leading | await _paid(reader, done) | await _adjusted(reader, done)


def _ids(done: Sequence[Document], field: str, *actions: str) -> set[int]:
    """The numbers in this field of what these actions changed."""
    found = ((entry["after"] or {}).get(field) for entry in done if entry["action"] in actions)
    return {number for number in found if number is not None}


def _named(done: Sequence[Document]) -> set[int]:
    """Those who were registered, moved or changed themselves, or made the leader of a team."""
    return _ids(done, "distributor_id", *_STANDING, _PROPOSED) | _ids(done, "leader_id", *_TEAM)


async def _adjusted(reader: Reader, done: Sequence[Document]) -> set[int]:
    """Those of the adjustments that were approved."""
    keys = {entry["target"].removeprefix("adjustment/") for entry in done if entry["action"] == _APPROVED}
    if not keys:
        return set()
    found = await reader.find(ADJUSTMENTS, {"_id": {"$in": sorted(keys)}}, fields=("distributor_id",))
    return {adjustment["distributor_id"] for adjustment in found}


async def _paid(reader: Reader, done: Sequence[Document]) -> set[int]:
    """Those who earn from orders that were entered as prepaid, or reported as paid, completed or without a case."""
    keys = {
        entry["target"].removeprefix("order/")
        for entry in done
        if entry["action"] in _ORDER and _brings_money(entry["after"] or {})
    }
    found = await reader.find(ORDERS, {"_id": {"$in": sorted(keys)}}, fields=("upline", "team"))
    teams = (order["team"] for order in found if order.get("team"))
    paid = {up["distributor_id"] for order in found for up in order["upline"]} | {team["leader_id"] for team in teams}
    # An order that is not accepted yet: those above its seller now.
    coming = keys - {order["_id"] for order in found}
    sellers = _ids(
        [entry for entry in done if entry["target"].removeprefix("order/") in coming], "distributor_id", *_ORDER
    )
    if not sellers:
        return paid
    teams_of = await reader.find(DISTRIBUTORS, {"_id": {"$in": sorted(sellers)}}, fields=("teams",))
    team_ids = {entry["team_id"] for one in teams_of for entry in one.get("teams", ()) if entry["team_id"] is not None}
    return paid | await ever_above(reader, sellers) | await leaders_of(reader, team_ids)


def _brings_money(after: dict[str, Any]) -> bool:
    return after.get("prepaid") is True or after.get("status") in ("paid", "completed") or after.get("open") is False
