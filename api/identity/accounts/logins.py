"""Checks an address and a password: the same answer, after the same time, whichever of the two was wrong."""

from __future__ import annotations

from dataclasses import replace

import structlog

from api.http.problems import Problem
from api.identity.lockout import Lockout
from api.identity.model import User
from api.identity.oauth.grants import Grants
from api.identity.passwords import Passwords, check_strength, normalized_email
from api.identity.repository import USERS
from api.storage.protocols import Documents
from infra.ports.store import Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact

log = structlog.get_logger()

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tributary"'}


class Logins:
    def __init__(self, store: Documents, passwords: Passwords, lockout: Lockout, grants: Grants, time: Time) -> None:
        self._store = store
        self._passwords = passwords
        self._lockout = lockout
        self._grants = grants
        self._time = time

    async def log_in(self, email: str, password: str, address: str, new_password: str | None = None) -> User:
        """The user. Raises Problem: wrong_credentials, too_many_attempts, password_change_required, weak_password.

        A one-time password must be replaced by `new_password` in the same step.
        """
        account = normalized_email(email)
        await self.count_attempt(account, address)
        user = await USERS.one(self._store, {"email": account})
        if user is not None and not user.active:
            user = None
        matches = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not matches:
            log.warning("login refused", user=user.id if user else None)
            raise Problem("wrong_credentials", headers=CHALLENGE)
        await self._lockout.succeeded(account, address)
        if user.must_change_password or new_password is not None:
            if new_password is None:
                raise Problem("password_change_required")
            return await self._with_password(user, new_password, former=password)
        if self._passwords.is_outdated(user.password_hash):
            return await self._rehashed(user, password)
        return user

    async def count_attempt(self, account: str, address: str) -> None:
        """Count an attempt, or raise Problem too_many_attempts."""
        if wait_s := await self._lockout.begin(account, address):
            log.warning("login must wait", wait_s=wait_s)
            raise Problem("too_many_attempts", headers={"Retry-After": str(wait_s)})

    async def attempt_succeeded(self, account: str, address: str) -> None:
        await self._lockout.succeeded(account, address)

    async def _with_password(self, user: User, password: str, *, former: str) -> User:
        check_strength(password, user.email)
        if password == former:
            raise Problem("weak_password", detail="The new password is the old one.")
        hashed = await self._passwords.hash(password)

        async def work(tx: Transaction) -> User:
            current = await USERS.get(tx, user.id)
            if current is None or current.password_hash != user.password_hash:
                # Changed meanwhile: the password that was checked is no longer the current one.
                raise Problem("wrong_credentials", headers=CHALLENGE)
            changed = replace(
                current,
                password_hash=hashed,
                must_change_password=False,
                password_changed_at=self._time.now(),
            )
            await USERS.replace(tx, changed)
            return await self._grants.end_all(tx, user.id, "the password was changed") or changed

        return await transact(self._store, self._time, work)

    async def _rehashed(self, user: User, password: str) -> User:
        """Hash the same password with the current parameters."""
        hashed = await self._passwords.hash(password)

        async def work(tx: Transaction) -> User:
            current = await USERS.get(tx, user.id) or user
            if current.password_hash != user.password_hash:
                return current
            changed = replace(current, password_hash=hashed)
            await USERS.replace(tx, changed)
            return changed

        return await transact(self._store, self._time, work)
