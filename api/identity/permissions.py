"""Roles, permissions, and what each role may do unless an administrator says otherwise.

A permission is `noun:act`; on the wire it is an OAuth scope. A room with a noun of its own adds it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal, get_args

Role = Literal["ROLE_ADMIN", "ROLE_DISTRIBUTOR", "ROLE_SHOP"]
ROLES: tuple[Role, ...] = get_args(Role)

PERMISSIONS = MappingProxyType(
    {
        "products:read": "See products, categories and tags.",
        "products:write": "Create and change products, categories and tags.",
        "inventory:read": "See stock.",
        "inventory:write": "Receive and adjust stock.",
        "orders:read": "See orders that are yours to see.",
        "orders:write": "Place orders.",
        "orders:fulfil": "Tell how far orders are: paid, shipped, completed, cancelled.",
        "orders:refund": "Refund orders.",
        "commissions:read": "See commissions and rewards that are yours to see.",
        "rules:read": "See commission rules and have them explained.",
        "rules:propose": "Propose commission rules, and test them on past orders.",
        "rules:approve": "Approve, activate and reject proposed rules.",
        "distributors:read": "See distributors that are yours to see.",
        "distributors:write": "Register, rank and move distributors.",
        "shops:read": "See shops that are yours to see.",
        "shops:write": "Register shops.",
        "teams:read": "See teams that are yours to see.",
        "teams:write": "Create teams and change who is in them.",
        "invites:write": "Invite new distributors below yourself.",
        "users:read": "See users and what they may do.",
        "users:write": "Create users and say what they may do.",
        "operations:read": "See dead letters and traces.",
        "operations:write": "Send dead letters again, or discard them.",
        "audit:read": "See who changed what.",
    }
)
"""Every permission, and the sentence that a person consents to."""

DEFAULTS: MappingProxyType[Role, frozenset[str]] = MappingProxyType(
    {
        "ROLE_ADMIN": frozenset(PERMISSIONS) - {"invites:write"},
        "ROLE_DISTRIBUTOR": frozenset(
            {
                "products:read",
                "inventory:read",
                "orders:read",
                "orders:write",
                "commissions:read",
                "rules:read",
                "distributors:read",
                "teams:read",
                "invites:write",
            }
        ),
        "ROLE_SHOP": frozenset(
            {
                "products:read",
                "inventory:read",
                "orders:read",
                "orders:write",
                "orders:fulfil",
                "orders:refund",
                "shops:read",
            },
        ),
    }
)


def effective(roles: Iterable[Role], granted: Iterable[str] = (), withheld: Iterable[str] = ()) -> frozenset[str]:
    """What the roles bring, with what was granted beside them, without what was withheld. Withholding wins."""
    brought = frozenset[str]().union(*(DEFAULTS[role] for role in roles))
    return (brought | frozenset(granted)) - frozenset(withheld)


def narrowed(held: frozenset[str], scope: str | None) -> frozenset[str]:
    """Those of the held permissions that a space-separated scope asks for; all of them without one."""
    return held if scope is None else held & frozenset(scope.split())


def as_scope(permissions: Iterable[str]) -> str:
    return " ".join(sorted(set(permissions)))
