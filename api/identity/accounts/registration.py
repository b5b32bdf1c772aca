"""A distributor joins with a sponsor's invite code: a number, a command to the network, and only then a user.

Each step is recorded before the next, and the command's id is derived from the registration: a repeated request, after
a time-out or an outage, continues where the first stopped and never creates a second distributor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog

from api.http.problems import Problem
from api.http.turns import Turns
from api.identity.accounts.logins import Logins
from api.identity.accounts.users import for_audit
from api.identity.model import Attempts, Invite, Registration, User
from api.identity.opaque import hash_of, new_invite_code
from api.identity.passwords import Passwords, check_strength, normalized_email
from api.identity.principal import Principal
from api.identity.repository import ATTEMPTS, INVITES, REGISTRATIONS, USERS
from api.storage.audit_log import AuditLog, Entry
from api.storage.counters import next_id
from api.storage.protocols import Commands, Documents
from contracts.network.v1 import DistributorRefused, RegisterDistributor
from contracts.network.view import DISTRIBUTORS
from contracts.wire.envelope import derived_id, message_of
from infra.gateway.command_client import Answer
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import Reader, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact

log = structlog.get_logger()

SOURCE = "api/registration"
_NUMBERS_MAX = 5
"""Numbers to try where a message from elsewhere has taken the first."""


OPEN_INVITES_MAX = 100
"""Of one distributor: each is a document, and an entry in the audit log."""

_INVITES_READ_MAX = 1_000

_PER_DAY_MAX = 20
"""Registrations with the invites of one distributor, in the day after the first one."""


@dataclass(frozen=True, slots=True)
class Joining:
    """The request of the person."""

    invite_code: str
    email: str
    password: str
    name: str


class Invites:
    def __init__(self, store: Documents, audit: AuditLog, time: Time) -> None:
        self._store = store
        self._audit = audit
        self._time = time
        self._turns = Turns(1)

    async def create(self, principal: Principal, correlation: str, *, uses_max: int, days: int) -> tuple[str, Invite]:
        """The code, which is shown only this once, and the stored invite.

        Raises Problem not_a_distributor, too_many_invites.
        """
        if principal.distributor_id is None:
            raise Problem("not_a_distributor")
        now, code = self._time.now(), new_invite_code()
        invite = Invite(
            hash=hash_of(code),
            sponsor_id=principal.distributor_id,
            created_by=principal.subject,
            created_at=now,
            expires_at=now + timedelta(days=days),
            uses_max=uses_max,
            token_at=datetime.fromtimestamp(principal.issued_at, UTC) if principal.issued_at is not None else None,
        )
        entry = Entry(
            who=principal.as_author,
            action="invite.created",
            target=f"distributor/{principal.distributor_id}",
            correlation=correlation,
            after={"uses_max": uses_max, "expires_at": invite.expires_at.isoformat()},
        )

        async def work(tx: Transaction) -> None:
            await self._require_room(tx, invite)
            await INVITES.insert(tx, invite)
            await self._audit.append_in(tx, entry)

        # One at a time of each maker: every change with an entry in the audit log waits in one queue.
        async with self._turns.of(principal.subject):
            await self._require_room(self._store, invite)
            await self._audit.transact(work)
        return code, invite

    async def _require_room(self, reader: Reader, invite: Invite) -> None:
        """Raises Problem too_many_invites where OPEN_INVITES_MAX of the distributor's newest invites are open."""
        now = invite.created_at
        valid = {"sponsor_id": invite.sponsor_id, "expires_at": {"$gt": now}}
        known = await INVITES.all(reader, valid, sort=(("created_at", -1),), limit=_INVITES_READ_MAX)
        if len(known) >= OPEN_INVITES_MAX:
            makers = {maker: await USERS.get(reader, maker) for maker in {each.created_by for each in known}}
            if sum(each.is_good(makers[each.created_by], now) for each in known) >= OPEN_INVITES_MAX:
                raise Problem("too_many_invites")

    async def end_all(self, principal: Principal, correlation: str) -> datetime:
        """End every invite that the user has made until now, the returned time. Raises Problem not_a_distributor."""
        if principal.distributor_id is None:
            raise Problem("not_a_distributor")
        entry = Entry(
            who=principal.as_author,
            action="invites.ended",
            target=f"distributor/{principal.distributor_id}",
            correlation=correlation,
        )

        async def work(tx: Transaction) -> datetime:
            user, now = await USERS.get(tx, principal.subject), self._time.now()
            if user is not None:
                await USERS.replace(tx, replace(user, no_invites_before=now))
                await self._audit.append_in(tx, entry)
            return now

        return await self._audit.transact(work)


class Registrations:
    def __init__(
        self,
        store: Documents,
        commands: Commands,
        passwords: Passwords,
        logins: Logins,
        audit: AuditLog,
        time: Time,
    ) -> None:
        self._store = store
        self._commands = commands
        self._passwords = passwords
        self._logins = logins
        self._audit = audit
        self._time = time

    async def register(self, joining: Joining, address: str, correlation: str, wait_s: float) -> User | None:
        """The new user; None while the network has not answered, in which case the same request is to be repeated.

        Raises Problem invalid_invite, email_taken, weak_password, registration_refused; BrokerUnavailable. Without a
        valid invite the answer, and the time that it takes, are the same for every address.
        """
        email = normalized_email(joining.email)
        if not self._commands.connected:
            # Before the invite is used: a person who mistyped the address can still start again.
            raise BrokerUnavailable("RabbitMQ is away; try again later")
        # Codes and passwords can be guessed here as well as at the login, so one counter has both.
        await self._logins.count_attempt(email, address)
        check_strength(joining.password, email)
        begun = await self._repeated(joining, email)
        hashed = await self._passwords.hash(joining.password)
        if begun is None:
            begun = await transact(self._store, self._time, lambda tx: self._begin(tx, joining, email, hashed))
        if begun is None:
            raise Problem("email_taken")
        await self._logins.attempt_succeeded(email, address)
        if begun.state == "done":
            return await USERS.get(self._store, begun.user_id)
        for _ in range(_NUMBERS_MAX):
            answer = await self._send(begun, correlation, wait_s)
            if answer is None:
                return None
            if answer.outcome == "registered":
                return await self._finish(begun, correlation)
            if not _number_was_taken(answer):
                await self._refuse(begun)
                log.warning("registration refused", outcome=answer.outcome)
                raise Problem("registration_refused", detail=_detail(answer))
            begun = await self._renumber(begun)
        raise Problem("busy", headers={"Retry-After": "2"})

    async def _repeated(self, joining: Joining, email: str) -> Registration | None:
        """The registration that this request repeats: it has the same code, and the password that is valid now."""
        begun = await REGISTRATIONS.get(self._store, hash_of(email))
        if begun is not None and (begun.state == "refused" or begun.invite_hash != _hash_of_code(joining)):
            begun = None
        kept = begun.password_hash if begun else None
        # Read for every address, so that the answer takes as long.
        user = await USERS.get(self._store, begun.user_id if begun else hash_of(email))
        if begun is not None and begun.state == "done":
            kept = user.password_hash if user is not None and user.active else None
        matches = await self._passwords.verify(kept or None, joining.password)
        return begun if matches else None

    async def _begin(self, tx: Transaction, joining: Joining, email: str, hashed: str) -> Registration | None:
        """Use the invite once, and assign a number; None for an address that is taken. Only who has a valid invite
        learns that, and it costs a use, and one of the inviter's registrations of the day, as any other.
        """
        now = self._time.now()
        before = await REGISTRATIONS.get(tx, hash_of(email))
        user = await USERS.one(tx, {"email": email})
        invite = await INVITES.get(tx, _hash_of_code(joining))
        if invite is None or not invite.is_good(await USERS.get(tx, invite.created_by), now):
            raise Problem("invalid_invite")
        await self._count(tx, invite.sponsor_id)
        await INVITES.replace(tx, replace(invite, uses=invite.uses + 1))
        if (before is not None and before.state != "refused") or user is not None:
            log.warning("registration with the address of a user", invited_by=invite.created_by)
            return None
        registration = Registration(
            email_hash=hash_of(email),
            email=email,
            name=joining.name,
            password_hash=hashed,
            invite_hash=invite.hash,
            sponsor_id=invite.sponsor_id,
            distributor_id=await next_id(tx, "distributor", view=DISTRIBUTORS),
            user_id=uuid4().hex,
            created_at=now,
        )
        await REGISTRATIONS.replace(tx, registration)
        return registration

    async def _count(self, tx: Transaction, sponsor_id: int) -> None:
        """Count a registration below this distributor, or raise Problem too_many_attempts.

        No one confirms an address, so that each invitation could be a hundred logins of one person, each with limits of
        its own.
        """
        now, key = self._time.now(), f"invited-by:{sponsor_id}"
        counted = await ATTEMPTS.get(tx, key)
        if counted is None or counted.expires_at <= now:
            counted = Attempts(key, 0, now + timedelta(days=1))
        if counted.failures >= _PER_DAY_MAX:
            wait_s = math.ceil((counted.expires_at - now).total_seconds())
            raise Problem("too_many_attempts", headers={"Retry-After": str(max(1, wait_s))})
        await ATTEMPTS.replace(tx, replace(counted, failures=counted.failures + 1))

    async def _send(self, begun: Registration, correlation: str, wait_s: float) -> Answer | None:
        command = RegisterDistributor(
            distributor_id=begun.distributor_id, sponsor_id=begun.sponsor_id, joined_at=begun.created_at
        )
        message = message_of(RegisterDistributor)(
            id=derived_id("registration", begun.user_id, begun.distributor_id),
            source=SOURCE,
            type=RegisterDistributor.message_type,
            time=begun.created_at,
            subject=command.about(),
            correlationid=correlation,
            data=command,
        )
        return await self._commands.send(message, wait_s=wait_s)

    async def _finish(self, begun: Registration, correlation: str) -> User:
        user = User(
            id=begun.user_id,
            email=begun.email,
            password_hash=begun.password_hash,
            roles=("ROLE_DISTRIBUTOR",),
            created_at=self._time.now(),
            name=begun.name,
            distributor_id=begun.distributor_id,
        )

        async def work(tx: Transaction) -> User:
            if known := await USERS.get(tx, user.id):
                return known
            if await USERS.one(tx, {"email": user.email}):
                raise Problem("email_taken")
            await USERS.insert(tx, user)
            await REGISTRATIONS.replace(tx, replace(begun, state="done", password_hash=""))
            who = {"kind": "registration", "subject": user.id, "client": None}
            entry = Entry(who, "user.registered", f"user/{user.id}", correlation, after=for_audit(user))
            await self._audit.append_in(tx, entry)
            return user

        return await self._audit.transact(work)

    async def _refuse(self, begun: Registration) -> None:
        """Refuse the registration, and give its use of the invite back."""

        async def work(tx: Transaction) -> None:
            current = await REGISTRATIONS.get(tx, begun.email_hash)
            if current is None or current.user_id != begun.user_id or current.state != "pending":
                return
            await REGISTRATIONS.replace(tx, replace(current, state="refused", password_hash=""))
            if invite := await INVITES.get(tx, begun.invite_hash):
                await INVITES.replace(tx, replace(invite, uses=max(0, invite.uses - 1)))

        await transact(self._store, self._time, work)

    async def _renumber(self, begun: Registration) -> Registration:
        async def work(tx: Transaction) -> Registration:
            current = await REGISTRATIONS.get(tx, begun.email_hash) or begun
            if current.distributor_id != begun.distributor_id:
                return current
            renumbered = replace(current, distributor_id=await next_id(tx, "distributor", view=DISTRIBUTORS))
            await REGISTRATIONS.replace(tx, renumbered)
            return renumbered

        return await transact(self._store, self._time, work)


def _hash_of_code(joining: Joining) -> str:
    return hash_of(joining.invite_code.strip().upper())


def _number_was_taken(answer: Answer) -> bool:
    """Whether another distributor has this number, as `duplicate` means too: our own repeat is `registered`."""
    reasons = {event.get("data", {}).get("reason") for event in answer.events}
    return answer.outcome == "duplicate" or "conflict" in reasons


def _detail(answer: Answer) -> str | None:
    for event in answer.events:
        if event.get("type") == DistributorRefused.message_type:
            return str(event.get("data", {}).get("detail"))
    return None
