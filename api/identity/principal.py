"""The principal of a request: all that routes know about identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.numbers import whole_of

Kind = Literal["admin", "distributor", "shop"]


class InvalidToken(Exception):
    """The token is invalid. `reason` states why, for the operator's log and not for the sender."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` is the user's or client's id; `permissions` those of the token, never more than the user's.

    A distributor has a `distributor_id`, a shop a `shop_id`; an administrator may have the first. `issued_at` is the
    time of the token, in seconds.
    """

    kind: Kind
    subject: str
    permissions: frozenset[str]
    distributor_id: int | None = None
    shop_id: str | None = None
    client_id: str | None = None
    roles: tuple[str, ...] = ()
    issued_at: float | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """For idempotency keys and the log: `distributor/4f1c…`."""
        return f"{self.kind}/{self.subject}"

    @property
    def source(self) -> str:
        """For messages: `api/admin/4f1c…`. A distributor's number ends it, because limits of orders count persons."""
        return f"api/{self.name}/{self.distributor_id}" if self.kind == "distributor" else f"api/{self.name}"

    @property
    def counted_as(self) -> str:
        """For rate limits: all logins of a distributor, or of a shop, are one."""
        who = {"distributor": self.distributor_id, "shop": self.shop_id}.get(self.kind)
        return self.name if who is None else f"{self.kind}/#{who}"

    @property
    def as_author(self) -> dict[str, Any]:
        """For the audit log."""
        return {"kind": self.kind, "subject": self.subject, "client": self.client_id}


def principal_of(claims: Mapping[str, Any], roles: tuple[str, ...], permissions: frozenset[str]) -> Principal:
    """The strongest role decides the kind. Raises InvalidToken where a claim that the kind needs is missing."""
    distributor_id, shop_id = _number(claims.get("distributor_id")), claims.get("shop_id")
    if distributor_id is not None and (isinstance(distributor_id, bool) or not _is_id(distributor_id)):
        raise InvalidToken("distributor_id is not a positive integer")
    if shop_id is not None and not isinstance(shop_id, str):
        raise InvalidToken("shop_id is not text")
    kind: Kind
    if "ROLE_ADMIN" in roles:
        kind = "admin"
    elif "ROLE_DISTRIBUTOR" in roles and distributor_id is not None:
        kind = "distributor"
    elif "ROLE_SHOP" in roles and shop_id:
        kind = "shop"
    elif "ROLE_FINANCE" in roles:
        # Its permissions are few, but they are about everyone. Who also sells has another login for that.
        kind = "admin"
    else:
        raise InvalidToken("no known role, or its id is missing")
    return Principal(
        kind=kind,
        subject=str(claims["sub"]),
        permissions=permissions,
        distributor_id=distributor_id if kind != "shop" else None,
        shop_id=shop_id if kind == "shop" else None,
        client_id=claims.get("client_id"),
        roles=roles,
        issued_at=float(claims["iat"]) if isinstance(claims.get("iat"), int | float) else None,
    )


def _number(value: Any) -> Any:
    """Some providers send only text, and our own tokens have numbers that JavaScript would round as text."""
    number = whole_of(value) if isinstance(value, str) else None
    return value if number is None else number


def _is_id(value: object) -> bool:
    return isinstance(value, int) and 1 <= value < 2**63
