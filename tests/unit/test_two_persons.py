"""Who may be the second person, and what takes two."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.http.problems import Problem
from api.identity.accounts.two_persons import (
    INDEPENDENT_AFTER,
    Author,
    require_held,
    require_independent,
    require_right,
    takes_two,
    touched,
)
from api.identity.model import User
from api.identity.permissions import DEFAULTS, PERMISSIONS
from tests.builders import JOINED, NOW

A_WEEK_AGO = NOW - INDEPENDENT_AFTER
ADMIN = DEFAULTS["ROLE_ADMIN"]


def a_user(name: str, *hands: tuple[str, datetime], created_at: datetime = JOINED, **fields: Any) -> User:
    user = User(name, f"{name}@example.com", "hash", fields.pop("roles", ("ROLE_ADMIN",)), created_at, **fields)
    for by, at in hands:
        user = touched(user, at, by)
    return user


def an_author(name: str = "ann", permissions: frozenset[str] | None = ADMIN) -> Author:
    return Author({"subject": name}, "request", name, permissions)


ANN, BOB = a_user("ann"), a_user("bob")
SELLER = a_user("seller", roles=("ROLE_DISTRIBUTOR",), distributor_id=3)


def reason_of(call: Any, *arguments: Any, **named: Any) -> str | None:
    try:
        call(*arguments, **named)
    except Problem as problem:
        return problem.reason
    return None


@pytest.mark.parametrize(
    ("first", "second", "since"),
    [
        (ANN, ANN, None),
        (ANN, a_user("bob", ("ann", NOW)), None),
        (ANN, a_user("bob", ("ann", A_WEEK_AGO + timedelta(seconds=1))), None),
        (a_user("ann", ("bob", NOW)), BOB, None),
        (a_user("ann", ("carl", NOW)), a_user("bob", ("carl", NOW)), None),
        (a_user("ann", ("carl", NOW)), a_user("carl"), None),
        (ANN, a_user("bob", created_at=NOW), NOW - timedelta(seconds=1)),
        (None, a_user("bob", created_at=NOW), NOW - timedelta(seconds=1)),
    ],
)
def test_one_person_is_not_two(first: User | None, second: User, since: datetime | None) -> None:
    assert reason_of(require_independent, first, second, since=since, now=NOW) == "not_independent"


@pytest.mark.parametrize(
    ("first", "second", "since"),
    [
        (ANN, BOB, None),
        (ANN, BOB, NOW),
        (None, BOB, NOW),
        (ANN, a_user("bob", ("ann", A_WEEK_AGO)), NOW),
        (ANN, a_user("bob", ("carl", NOW)), NOW),
        (a_user("ann", ("carl", NOW)), a_user("bob", ("dana", NOW)), NOW),
    ],
)
def test_two_persons_are_two(first: User | None, second: User, since: datetime | None) -> None:
    assert reason_of(require_independent, first, second, since=since, now=NOW) is None


def test_touches_are_kept_for_a_week() -> None:
    user = a_user("bob", ("ann", A_WEEK_AGO), ("carl", NOW - timedelta(days=1)), ("carl", NOW), ("dana", NOW))

    assert [(touch.by, touch.at) for touch in user.touched] == [("carl", NOW), ("dana", NOW)]
    assert touched(user, NOW, None) == user


@pytest.mark.parametrize(
    ("before", "after", "is_of_two"),
    [
        (None, ANN, True),
        (None, SELLER, False),
        (None, replace(SELLER, granted=("rules:approve",)), True),
        (SELLER, replace(SELLER, granted=("products:write",)), False),
        (SELLER, replace(SELLER, granted=("rules:propose",)), True),
        (SELLER, replace(SELLER, roles=("ROLE_ADMIN",), withheld=tuple(PERMISSIONS)), True),
        (replace(ANN, active=False), ANN, True),
        (replace(ANN, withheld=("rules:approve",)), ANN, True),
        (replace(ANN, withheld=("audit:read",)), ANN, False),
        (replace(ANN, roles=("ROLE_DISTRIBUTOR",), granted=("rules:approve",)), ANN, True),
        (ANN, replace(ANN, active=False), False),
        (ANN, replace(ANN, withheld=("users:write",)), False),
        (ANN, SELLER, False),
    ],
)
def test_what_takes_two(before: User | None, after: User, is_of_two: bool) -> None:
    assert takes_two(before, after) == is_of_two


@pytest.mark.parametrize(
    ("author", "before", "after", "reason"),
    [
        (an_author("ann"), ANN, replace(ANN, withheld=("audit:read",)), "own_rights"),
        (an_author("ann"), replace(ANN, withheld=("audit:read",)), ANN, "own_rights"),
        (an_author(), None, BOB, None),
        (an_author(), None, SELLER, None),
        (an_author(permissions=ADMIN - {"audit:read"}), None, BOB, "beyond_own_rights"),
        (an_author(permissions=ADMIN - {"orders:read"}), None, SELLER, "beyond_own_rights"),
        (an_author(permissions=frozenset()), replace(SELLER, active=False), SELLER, "beyond_own_rights"),
        (an_author(permissions=frozenset()), SELLER, replace(SELLER, active=False), None),
        (an_author("", None), None, BOB, None),
    ],
)
def test_who_may_give_what(author: Author, before: User | None, after: User, reason: str | None) -> None:
    assert reason_of(require_right, author, before, after) == reason


def test_a_password_is_worth_what_its_user_may_do() -> None:
    assert reason_of(require_held, an_author(permissions=frozenset({"users:write"})), SELLER.permissions)
    assert reason_of(require_held, an_author(), SELLER.permissions) is None
