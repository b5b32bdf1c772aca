"""Two persons are two persons: who may change whose rights, and who may be the second pair of eyes.

No one changes their own rights or grants what they do not hold. An administrator is made, and an administrator's
password replaced, by one person and confirmed by another. A user who made, changed or reset an account within a week is
not its second person, and two accounts of the same maker are not two persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from api.http.problems import Problem
from api.identity.model import Touch, User
from api.identity.permissions import OF_TWO_PERSONS, grantable

INDEPENDENT_AFTER = timedelta(days=7)
"""How long the maker of an account is not its second person; a request waits as long."""


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change, and its request. A user has an id and permissions; an operator has neither."""

    who: Mapping[str, Any]
    correlation: str
    user_id: str | None = None
    permissions: frozenset[str] | None = None


def require_right(author: Author, before: User | None, after: User) -> None:
    """Raises Problem own_rights, beyond_own_rights."""
    if before is not None and before.id == author.user_id:
        raise Problem("own_rights")
    require_held(author, after.rights - (before.rights if before else frozenset()))


def require_held(author: Author, permissions: frozenset[str]) -> None:
    """Raises Problem beyond_own_rights."""
    if author.permissions is None:
        return
    if beyond := permissions - grantable(author.permissions):
        raise Problem("beyond_own_rights", detail=f"You do not hold {', '.join(sorted(beyond))}.")


def takes_two(before: User | None, after: User) -> bool:
    """Whether the change makes an administrator, or gives what one person alone cannot give."""
    if not after.active or not after.is_privileged:
        return False
    was_privileged = before is not None and before.active and before.is_privileged
    gained = after.rights - (before.rights if before else frozenset())
    becomes_admin = before is None or "ROLE_ADMIN" in set(after.roles) - set(before.roles)
    return not was_privileged or becomes_admin or bool(gained & OF_TWO_PERSONS)


def touched(user: User, at: datetime, *by: str | None) -> User:
    """The user with these persons among those who touched the account; older touches are dropped."""
    people = {person for person in by if person is not None}
    kept = [touch for touch in user.touched if touch.by not in people and touch.at > at - INDEPENDENT_AFTER]
    return replace(user, touched=(*kept, *(Touch(person, at) for person in sorted(people))))


def require_independent(first: User | None, second: User, *, since: datetime | None, now: datetime) -> None:
    """Whether `second` may confirm what `first` began at `since`; `first` is None for an operator.

    Raises Problem not_independent.
    """
    if since is not None and second.created_at > since:
        raise Problem("not_independent", detail="Your account is younger than what you are to confirm.")
    if first is not None and first.id == second.id:
        raise Problem("not_independent", detail="You began it yourself.")
    if first is not None and hands_of(first, now) & hands_of(second, now):
        days = INDEPENDENT_AFTER.days
        detail = f"One of you, or one third person, made, changed or reset both accounts within {days} days."
        raise Problem("not_independent", detail=detail)


def hands_of(user: User, now: datetime) -> set[str]:
    """The persons who may act through the account: its own, and who touched it of late."""
    return {user.id, *(touch.by for touch in user.touched if touch.at > now - INDEPENDENT_AFTER)}
