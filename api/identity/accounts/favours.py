"""Whom an administrator has favoured of late: a login for one of those would make the favour their own.

`own_standing` and `own_earnings` look at the logins that someone made. This looks the other way round, so that it makes
no difference which of the two steps came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.http.problems import Problem
from api.identity.accounts.two_persons import INDEPENDENT_AFTER, Author
from api.storage.network import leaders_of, with_upline
from api.storage.repository import AUDIT
from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    JoinTeam,
    MoveDistributor,
    RegisterDistributor,
)
from contracts.orders import v1, v2
from contracts.orders.view import ORDERS
from infra.ports.store import Document, Reader

_MOVE, _JOIN = MoveDistributor.message_type, JoinTeam.message_type
_STANDING = (RegisterDistributor.message_type, ChangeDistributor.message_type, _MOVE)
_TEAM = (CreateTeam.message_type, ChangeLeader.message_type, _JOIN)
_ORDER = tuple(kind.message_type for kind in (v1.PlaceOrder, v2.PlaceOrder, v1.UpdateStatus, v1.ChangeAfterSale))
_FIELDS = ("action", "target", "after")
_LOOKED_AT_MAX = 20_000


async def require_unfavoured(reader: Reader, author: Author, distributor_id: int | None, now: datetime) -> None:
    """Raise Problem not_independent where the author, who is about to hold the password of a distributor, within a week
    registered, moved or changed that one, moved others below, made them a leader or added to their team, or brought the
    money of their orders closer. An operator of the command line is no user, and has no such entries.
    """
    if distributor_id is None or author.user_id is None:
        return
    where = {
        "who.subject": author.user_id,
        "action": {"$in": [*_STANDING, *_TEAM, *_ORDER]},
        "at": {"$gt": now - INDEPENDENT_AFTER},
    }
    done = await reader.find(AUDIT.name, where, sort=(("_id", -1),), limit=_LOOKED_AT_MAX, fields=_FIELDS)
    if len(done) == _LOOKED_AT_MAX:
        # Older ones, which are not looked at, may be about this distributor.
        detail = f"You made {_LOOKED_AT_MAX} changes within a week or more; ask another administrator for the login."
        raise Problem("not_independent", detail=detail)
    above = await with_upline(reader, _ids(done, "sponsor_id", _MOVE))
    leading = await leaders_of(reader, _ids(done, "team_id", _JOIN))
    favoured = _named(done) | above | leading | await _paid(reader, done)
    if distributor_id in favoured:
        days = INDEPENDENT_AFTER.days
        detail = (
            f"distributor_id: within {days} days you registered, moved or changed distributor {distributor_id}, or "
            "reported an order that pays them; ask another administrator for the login."
        )
        raise Problem("not_independent", detail=detail)


def _ids(done: Sequence[Document], field: str, *actions: str) -> set[int]:
    """The numbers in this field of what these actions changed."""
    found = ((entry["after"] or {}).get(field) for entry in done if entry["action"] in actions)
    return {number for number in found if number is not None}


def _named(done: Sequence[Document]) -> set[int]:
    """Those who were registered, moved or changed themselves, or made the leader of a team."""
    return _ids(done, "distributor_id", *_STANDING) | _ids(done, "leader_id", *_TEAM)


async def _paid(reader: Reader, done: Sequence[Document]) -> set[int]:
    """Those who earn from orders that were entered as prepaid, or reported as paid, completed or without a case."""
    keys = {
        entry["target"].removeprefix("order/")
        for entry in done
        if entry["action"] in _ORDER and _brings_money(entry["after"] or {})
    }
    found = await reader.find(ORDERS, {"_id": {"$in": sorted(keys)}}, fields=("upline", "team"))
    teams = (order["team"] for order in found if order.get("team"))
    return {up["distributor_id"] for order in found for up in order["upline"]} | {team["leader_id"] for team in teams}


def _brings_money(after: dict[str, Any]) -> bool:
    return after.get("prepaid") is True or after.get("status") in ("paid", "completed") or after.get("open") is False
