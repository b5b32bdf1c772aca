"""Users, as administrators manage them. Every change is audited in the same transaction.

What two persons decide waits as `pending` of the user, until another administrator confirms or rejects it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from api.http.paging import Sorting, page_of
from api.http.problems import Problem
from api.identity.accounts.favours import require_unfavoured
from api.identity.accounts.two_persons import (
    INDEPENDENT_AFTER,
    Author,
    require_held,
    require_independent,
    require_right,
    takes_two,
    touched,
)
from api.identity.model import Pending, User
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

_MADE_ALONE = 2
"""Administrators whom an operator makes alone; from then on two can confirm each other's requests, and two remain."""


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
        **({"pending": asdict(user.pending)} if user.pending is not None else {}),
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
        """The user, and a one-time password where none was given. An administrator is inactive until another one
        confirms, who gets a new password for its holder; only the first two need no confirmation, on the command line.

        Raises Problem email_taken, weak_password, unknown_distributor, beyond_own_rights, not_independent.
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

        require_right(author, None, user)

        async def work(tx: Transaction) -> User:
            if await USERS.one(tx, {"email": address}):
                raise Problem("email_taken")
            await check_distributor(tx, user)
            await require_unfavoured(tx, author, distributor_id, self._time.now())
            made = touched(user, self._time.now(), author.user_id)
            if takes_two(None, user) and not await self._is_made_alone(tx, author):
                made = replace(made, active=False, pending=self._request(author, user))
            await USERS.insert(tx, made)
            await self._note(tx, "user.created", author, None, made)
            return made

        return await self._audit.transact(work), one_time

    async def change(self, user_id: str, command: UserChange, author: Author, version: int | None = None) -> User:
        """The changed user. A user who is deactivated, or loses permissions, is logged out. What two persons decide is
        only requested.

        Raises Problem not_found, precondition_failed, unknown_permission, last_administrator, own_rights,
        beyond_own_rights.
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
            if wanted != replace(user, name=wanted.name):
                require_right(author, user, wanted)
                if takes_two(user, wanted):
                    waiting = replace(user, name=wanted.name, pending=self._request(author, wanted))
                    return await self._save(tx, "user.change-requested", author, user, waiting)
                # Whatever waits was requested for other rights than these.
                wanted = replace(touched(wanted, self._time.now(), author.user_id), pending=None)
            if _administers(user) and not _administers(wanted):
                await self._check_other_administrators(tx, user)
            return await self._save(tx, "user.changed", author, user, wanted)

        return await self._audit.transact(work)

    async def reset_password(self, user_id: str, author: Author) -> tuple[User, str | None]:
        """A one-time password for a lost one; every login of the user ends. For an administrator it is only requested,
        and the one who confirms gets it. Raises Problem not_found, own_rights, beyond_own_rights,
        not_independent.
        """
        one_time = new_secret()
        hashed = await self._passwords.hash(one_time)

        async def work(tx: Transaction) -> tuple[User, str | None]:
            user = await USERS.get(tx, user_id)
            if user is None:
                raise Problem("not_found")
            if user.id == author.user_id:
                raise Problem("own_rights")
            require_held(author, user.permissions)
            await require_unfavoured(tx, author, user.distributor_id, self._time.now())
            if user.is_privileged:
                waiting = replace(user, pending=Pending("password", author.user_id, self._time.now()))
                return await self._save(tx, "user.password-reset-requested", author, user, waiting), None
            changed = touched(self._with_password(user, hashed), self._time.now(), author.user_id)
            return await self._save(tx, "user.password-reset", author, user, changed), one_time

        return await self._audit.transact(work)

    async def confirm(self, user_id: str, version: int, author: Author) -> tuple[User, str | None]:
        """Carry out what waits, as the second person who has read this version. A new password is returned, also for
        an account that becomes privileged by this: the one that its maker knows is void.

        Raises Problem not_found, precondition_failed, nothing_pending, own_rights, beyond_own_rights, not_independent.
        """
        one_time = new_secret()
        hashed = await self._passwords.hash(one_time)

        async def work(tx: Transaction) -> tuple[User, str | None]:
            user, pending = await self._waiting(tx, user_id, version)
            await self._check_second_person(tx, user, pending, author)
            now = self._time.now()
            after = touched(replace(user, pending=None), now, pending.by, author.user_id)
            if pending.what == "password":
                require_held(author, user.permissions)
                await require_unfavoured(tx, author, user.distributor_id, now)
                after = self._with_password(after, hashed)
                return await self._save(tx, "user.password-reset", author, user, after), one_time
            after = replace(
                after,
                roles=pending.roles,
                granted=pending.granted,
                withheld=pending.withheld,
                active=pending.active,
            )
            require_right(author, user, after)
            await check_distributor(tx, after)
            if user.active and user.is_privileged:
                return await self._save(tx, "user.change-confirmed", author, user, after), None
            # The maker may know the password, and would keep a second account.
            after = self._with_password(after, hashed)
            return await self._save(tx, "user.change-confirmed", author, user, after), one_time

        return await self._audit.transact(work)

    async def reject(self, user_id: str, version: int, author: Author) -> User:
        """Drop what waits. Raises Problem not_found, precondition_failed, nothing_pending."""

        async def work(tx: Transaction) -> User:
            user, _ = await self._waiting(tx, user_id, version)
            return await self._save(tx, "user.change-rejected", author, user, replace(user, pending=None))

        return await self._audit.transact(work)

    async def check_independent(self, first_id: str, second_id: str, since: datetime | None) -> None:
        """Whether the second user may confirm what the first began; users of another system are not known here.

        Raises Problem not_independent.
        """
        first, second = await USERS.get(self._store, first_id), await USERS.get(self._store, second_id)
        if second is not None:
            require_independent(first, second, since=since, now=self._time.now())

    async def _waiting(self, tx: Transaction, user_id: str, version: int) -> tuple[User, Pending]:
        user = await USERS.get(tx, user_id)
        if user is None:
            raise Problem("not_found")
        if user.version != version:
            raise Problem("precondition_failed")
        if user.pending is None or user.pending.at < self._time.now() - INDEPENDENT_AFTER:
            raise Problem("nothing_pending")
        return user, user.pending

    async def _check_second_person(self, tx: Transaction, user: User, pending: Pending, author: Author) -> None:
        """The second person is another administrator, and the first one still may do it."""
        second = await USERS.get(tx, author.user_id or "")
        if second is None or not _administers(second):
            raise Problem("not_independent", detail="Only an administrator confirms.")
        if second.id == user.id:
            raise Problem("own_rights")
        first = None
        if pending.by is not None:
            first = await USERS.get(tx, pending.by)
            if first is None or not first.active or "users:write" not in first.permissions:
                raise Problem("nothing_pending", detail="The user who requested it may no longer do so.")
        require_independent(first, second, since=pending.at, now=self._time.now())

    async def _is_made_alone(self, tx: Transaction, author: Author) -> bool:
        """Whether an operator makes one of the first two administrators."""
        if author.permissions is not None:
            return False
        found = await USERS.all(tx, {"roles": "ROLE_ADMIN", "active": True}, limit=_MADE_ALONE)
        return len(found) < _MADE_ALONE

    def _request(self, author: Author, wanted: User) -> Pending:
        return Pending(
            "rights", author.user_id, self._time.now(), wanted.roles, wanted.granted, wanted.withheld, wanted.active
        )

    def _with_password(self, user: User, hashed: str) -> User:
        return replace(user, password_hash=hashed, must_change_password=True, password_changed_at=self._time.now())

    async def _save(self, tx: Transaction, action: str, author: Author, before: User, after: User) -> User:
        """Write the next version and its audit entry; a user who has lost something is logged out."""
        saved = replace(after, version=before.version + 1)
        await USERS.replace(tx, saved)
        await self._note(tx, action, author, before, saved)
        if saved.password_hash != before.password_hash:
            await self._grants.end_all(tx, saved.id, "the password was reset")
        elif not saved.active or before.permissions - saved.permissions:
            await self._grants.end_all(tx, saved.id, "permissions were taken away")
        return saved

    async def _check_other_administrators(self, tx: Transaction, leaving: User) -> None:
        """Two others must remain: one alone could confirm nothing, and could have switched off all who would object.

        Two who leave at the same time must not count on each other.
        """
        others = [
            user
            for user in await USERS.all(tx, {"roles": "ROLE_ADMIN", "active": True}, limit=50)
            if user.id != leaving.id and _administers(user)
        ]
        if len(others) < _MADE_ALONE:
            raise Problem("last_administrator")
        # Written unchanged, so that another transaction that changes one of them conflicts with ours.
        for other in others[:_MADE_ALONE]:
            await USERS.replace(tx, replace(other, version=other.version + 1))

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
