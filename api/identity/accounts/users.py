"""Users, as administrators manage them. Every change is audited in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from api.http.paging import Sorting, page_of
from api.http.problems import Problem
from api.identity.model import User
from api.identity.oauth.grants import Grants
from api.identity.opaque import new_secret
from api.identity.passwords import Passwords, check_strength, normalized_email
from api.identity.permissions import PERMISSIONS, Role
from api.identity.repository import USERS
from api.storage.audit_log import AuditLog, Entry
from api.storage.protocols import Documents
from contracts.network.view import DISTRIBUTORS
from infra.ports.store import Transaction
from infra.ports.time import Time

_BY_ID = Sorting("_id", str)


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change, and its request."""

    who: Mapping[str, Any]
    correlation: str


@dataclass(frozen=True, slots=True)
class UserChange:
    """The new values of a user; None keeps the old one."""

    roles: tuple[Role, ...] | None = None
    granted: tuple[str, ...] | None = None
    withheld: tuple[str, ...] | None = None
    active: bool | None = None
    name: str | None = None

    def applied_to(self, user: User) -> User:
        return replace(
            user,
            roles=tuple(sorted(set(self.roles))) if self.roles is not None else user.roles,
            granted=tuple(sorted(set(self.granted))) if self.granted is not None else user.granted,
            withheld=tuple(sorted(set(self.withheld))) if self.withheld is not None else user.withheld,
            active=user.active if self.active is None else self.active,
            name=user.name if self.name is None else self.name,
        )


def for_audit(user: User) -> dict[str, Any]:
    """A user as the audit log has it: no hash; the changed and the resulting permissions."""
    return {
        "email": user.email,
        "roles": list(user.roles),
        "granted": list(user.granted),
        "withheld": list(user.withheld),
        "permissions": sorted(user.permissions),
        "active": user.active,
        "distributor_id": user.distributor_id,
        "name": user.name,
    }


class Users:
    def __init__(self, store: Documents, passwords: Passwords, grants: Grants, audit: AuditLog, time: Time) -> None:
        self._store = store
        self._passwords = passwords
        self._grants = grants
        self._audit = audit
        self._time = time

    async def get(self, user_id: str) -> User | None:
        return await USERS.get(self._store, user_id)

    async def page(
        self, role: Role | None, email: str | None, cursor: str | None, limit: int
    ) -> tuple[list[User], str | None]:
        """Users by id, and the cursor of the next page. Raises Problem invalid_cursor."""
        filters = {"email": normalized_email(email) if email else None, "roles": role}
        listed = [{name: value} for name, value in filters.items() if value]
        found, after = await page_of(self._store, USERS.name, _BY_ID, listed=listed, cursor=cursor, limit=limit)
        return [USERS.entity_of(document) for document in found], after

    async def create(
        self,
        email: str,
        roles: tuple[Role, ...],
        author: Author,
        *,
        password: str | None = None,
        name: str = "",
        distributor_id: int | None = None,
    ) -> tuple[User, str | None]:
        """The user, and a one-time password where none was given. Raises Problem email_taken, weak_password,
        unknown_distributor.
        """
        address = normalized_email(email)
        if password is not None:
            check_strength(password, address)
        one_time = new_secret() if password is None else None
        user = User(
            id=uuid4().hex,
            email=address,
            password_hash=await self._passwords.hash(password or one_time or ""),
            roles=tuple(sorted(set(roles))),
            created_at=self._time.now(),
            name=name,
            distributor_id=distributor_id,
            must_change_password=one_time is not None,
        )

        async def work(tx: Transaction) -> None:
            if await USERS.one(tx, {"email": address}):
                raise Problem("email_taken")
            await check_distributor(tx, user)
            await USERS.insert(tx, user)
            await self._note(tx, "user.created", author, None, user)

        await self._audit.transact(work)
        return user, one_time

    async def change(self, user_id: str, command: UserChange, author: Author, version: int | None = None) -> User:
        """The changed user. A user who is deactivated, or loses permissions, is logged out.

        Raises Problem not_found, precondition_failed, unknown_permission, last_administrator.
        """
        for name in (*(command.granted or ()), *(command.withheld or ())):
            if name not in PERMISSIONS:
                raise Problem("unknown_permission", detail=f"{name[:64]} is not one of {', '.join(PERMISSIONS)}.")

        async def work(tx: Transaction) -> User:
            user = await USERS.get(tx, user_id)
            if user is None:
                raise Problem("not_found")
            if version is not None and user.version != version:
                raise Problem("precondition_failed")
            wanted = command.applied_to(user)
            if wanted == user:
                return user
            await check_distributor(tx, wanted)
            if _administers(user) and not _administers(wanted):
                await self._check_another_administrator(tx, user)
            changed = replace(wanted, version=user.version + 1)
            await USERS.replace(tx, changed)
            await self._note(tx, "user.changed", author, user, changed)
            if not changed.active or user.permissions - changed.permissions:
                await self._grants.end_all(tx, user.id, "permissions were taken away")
            return changed

        return await self._audit.transact(work)

    async def reset_password(self, user_id: str, author: Author) -> str:
        """A one-time password for a lost one; every login of the user ends. Raises Problem not_found."""
        one_time = new_secret()
        hashed = await self._passwords.hash(one_time)

        async def work(tx: Transaction) -> str:
            user = await USERS.get(tx, user_id)
            if user is None:
                raise Problem("not_found")
            changed = replace(
                user,
                password_hash=hashed,
                must_change_password=True,
                password_changed_at=self._time.now(),
                version=user.version + 1,
            )
            await USERS.replace(tx, changed)
            await self._note(tx, "user.password-reset", author, user, changed)
            await self._grants.end_all(tx, user.id, "the password was reset")
            return one_time

        return await self._audit.transact(work)

    async def _check_another_administrator(self, tx: Transaction, leaving: User) -> None:
        """Another administrator must remain. Two who leave at the same time must not count on each other."""
        others = [
            user
            for user in await USERS.all(tx, {"roles": "ROLE_ADMIN", "active": True}, limit=50)
            if user.id != leaving.id and _administers(user)
        ]
        if not others:
            raise Problem("last_administrator")
        # Written unchanged, so that another transaction that changes this user conflicts with ours.
        await USERS.replace(tx, replace(others[0], version=others[0].version + 1))

    async def _note(self, tx: Transaction, action: str, author: Author, before: User | None, after: User) -> None:
        entry = Entry(
            who=author.who,
            action=action,
            target=f"user/{after.id}",
            correlation=author.correlation,
            before=for_audit(before) if before else None,
            after=for_audit(after),
        )
        await self._audit.append_in(tx, entry)


async def check_distributor(tx: Transaction, user: User) -> None:
    """The distributor of a login must be in the network. Raises Problem unknown_distributor."""
    if "ROLE_DISTRIBUTOR" in user.roles and user.distributor_id is None:
        raise Problem("unknown_distributor", detail="distributor_id: a distributor's user needs one.")
    if user.distributor_id is not None and not await tx.find(DISTRIBUTORS, {"_id": user.distributor_id}, limit=1):
        raise Problem("unknown_distributor", detail=f"distributor_id: {user.distributor_id} is not in the network.")


def _administers(user: User) -> bool:
    return user.active and "ROLE_ADMIN" in user.roles and "users:write" in user.permissions
