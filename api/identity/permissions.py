"""Roles, permissions, and the default permissions of each role.

A permission is `noun:act`; on the wire it is an OAuth scope. A package with a noun of its own adds it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal, get_args

Role = Literal["ROLE_ADMIN", "ROLE_FINANCE", "ROLE_DISTRIBUTOR", "ROLE_SHOP"]
ROLES: tuple[Role, ...] = get_args(Role)

PERMISSIONS = MappingProxyType(
    {
        "products:read": "See products, categories and tags.",
        "products:write": "Create and change products, categories and tags.",
        "inventory:read": "See stock.",
        "inventory:write": "Receive and adjust stock.",
        "orders:read": "See the orders that you have access to.",
        "orders:write": "Place orders.",
        "orders:fulfil": "Set the status of orders: paid, shipped, completed, cancelled.",
        "orders:refund": "Refund orders.",
        "commissions:read": "See the commissions and rewards that you have access to.",
        "rules:read": "See commission rules and have them explained.",
        "rules:propose": "Propose commission rules, and test them on past orders.",
        "rules:approve": "Approve, activate and reject proposed rules.",
        "settlements:read": "See statements and payouts, and the terms behind them.",
        "settlements:write": "Close periods, propose terms, adjustments, rates, corridors, payouts; hold payouts.",
        "settlements:approve": "Approve what others proposed of the same, and release payouts.",
        "payees:read": "See how distributors that you have access to are paid.",
        "payees:write": "Set how distributors that you have access to are paid, and who they are.",
        "payees:approve": "Decide about identities, shared accounts and early payouts that others asked for.",
        "distributors:read": "See the distributors that you have access to.",
        "distributors:write": "Register, rank and move distributors.",
        "shops:read": "See the shops that you have access to.",
        "shops:write": "Register shops.",
        "webhooks:read": "See the webhooks that you have access to, and what was sent to them.",
        "webhooks:write": "Define webhooks, change their secrets, and have events sent again.",
        "teams:read": "See the teams that you have access to.",
        "teams:write": "Create teams and change their members.",
        "invites:write": "Invite new distributors below yourself.",
        "users:read": "See users and their permissions.",
        "users:write": "Create users and set their permissions.",
        "operations:read": "See dead letters and traces.",
        "operations:write": "Send dead letters again, or discard them.",
        "alerts:read": "See alerts, and where they are sent.",
        "alerts:write": "Acknowledge and silence alerts, and decide where they are sent.",
        "audit:read": "See who changed what.",
    }
)
"""Every permission, and the sentence that a person consents to."""

DEFAULTS: MappingProxyType[Role, frozenset[str]] = MappingProxyType(
    {
        "ROLE_ADMIN": frozenset(PERMISSIONS) - {"invites:write"},
        "ROLE_FINANCE": frozenset(
            {
                "settlements:read",
                "settlements:write",
                "settlements:approve",
                "payees:read",
                "payees:write",
                "payees:approve",
                "commissions:read",
                "orders:read",
                "rules:read",
                "distributors:read",
                "shops:read",
                "audit:read",
            }
        ),
        "ROLE_DISTRIBUTOR": frozenset(
            {
                "products:read",
                "inventory:read",
                "orders:read",
                "orders:write",
                "commissions:read",
                "settlements:read",
                "payees:read",
                "payees:write",
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
                "webhooks:read",
                "webhooks:write",
            },
        ),
    }
)


OF_TWO_PERSONS = frozenset(
    {"users:write", "rules:propose", "rules:approve", "settlements:write", "settlements:approve", "payees:approve"}
)
"""Permissions that one person alone cannot give to another: with a second account one would be two persons."""


def grantable(held: frozenset[str]) -> frozenset[str]:
    """What a person with these permissions may give to others: the same, and what no administrator has themselves."""
    return held | (frozenset(PERMISSIONS) - DEFAULTS["ROLE_ADMIN"])


def effective(roles: Iterable[Role], granted: Iterable[str] = (), withheld: Iterable[str] = ()) -> frozenset[str]:
    """The permissions of the roles, plus those granted, minus those withheld. Withholding wins."""
    brought = frozenset[str]().union(*(DEFAULTS[role] for role in roles))
    return (brought | frozenset(granted)) - frozenset(withheld)


def narrowed(held: frozenset[str], scope: str | None) -> frozenset[str]:
    """The held permissions that a space-separated scope names; all of them without a scope."""
    return held if scope is None else held & frozenset(scope.split())


def as_scope(permissions: Iterable[str]) -> str:
    return " ".join(sorted(set(permissions)))
