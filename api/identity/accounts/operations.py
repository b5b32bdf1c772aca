"""An operator's commands for identity and the audit log, which need no running server.

`infra.cli` imports this module by name and passes a store; answers are plain values, to be printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from api.http.problems import Problem
from api.identity.accounts.standing import breaches_of_accounts
from api.identity.accounts.two_persons import Author
from api.identity.accounts.users import Users
from api.identity.given import Email
from api.identity.oauth.clients import Clients, check_public
from api.identity.oauth.grants import Grants
from api.identity.passwords import Passwords, check_strength, normalized_email
from api.identity.reasons import REASONS
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.identity.repository import USERS
from api.identity.tokens.keys import KeyRing
from api.identity.tokens.tokens import OwnTokens
from api.storage import audit_log
from api.storage.audit_key import AuditKey
from api.storage.audit_log import AuditLog, Head
from api.storage.audit_verify import Verified, verify
from api.storage.message_changes import MessageChanges
from api.storage.protocols import Documents
from api.storage.repository import AUDIT
from api.storage.repository import COLLECTIONS as API_COLLECTIONS
from contracts.fields import ShopId, is_visible_name
from contracts.network.view import SHOPS
from contracts.wire.envelope import derived_id
from infra.ports.time import RealTime
from infra.settings import Settings

_SHOPS_LOOKED_AT_MAX = 10_000
"""Shop ids to compare with one that does not exist."""

COLLECTIONS = (*API_COLLECTIONS, *IDENTITY_COLLECTIONS)


_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME_MAX = 200
_email: TypeAdapter[str] = TypeAdapter(Email)
_shop_id: TypeAdapter[str] = TypeAdapter(ShopId)


class OperationFailed(Exception):
    """The text is a sentence for the operator."""


class InvalidArgument(OperationFailed):
    """An argument that is wrong whatever is stored."""


def check_login(email: str, password: str | None) -> None:
    """Raises InvalidArgument."""
    _require_text(email, password or "")
    if not _is(_email, email.strip()):
        raise InvalidArgument(f"{email!r} is no e-mail address; give one such as ann@example.com.")
    if password is not None:
        try:
            check_strength(password, normalized_email(email))
        except Problem as problem:
            raise InvalidArgument(REASONS[problem.reason].en) from problem


def check_shop_id(shop_id: str) -> None:
    """Raises InvalidArgument."""
    _require_text(shop_id)
    if not _is(_shop_id, shop_id):
        raise InvalidArgument(
            f"{shop_id!r} is no shop id; give 1 to 64 letters, digits, dots, underscores and hyphens."
        )


def check_client(client_id: str, name: str, redirect_uris: Sequence[str]) -> None:
    """Raises InvalidArgument."""
    _require_text(client_id, name, *redirect_uris)
    if not _CLIENT_ID.fullmatch(client_id):
        raise InvalidArgument(
            f"{client_id!r} is no client id; give 1 to 64 letters, digits, dots, underscores and hyphens."
        )
    try:
        check_public(client_id, redirect_uris)
    except ValueError as error:
        raise InvalidArgument(f"{error}.") from error
    if not is_visible_name(name) or len(name) > _NAME_MAX or not name.isprintable():
        raise InvalidArgument(f"{name[:_NAME_MAX]!r} is no name; the login page shows it.")


def _is(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True


def _require_text(*texts: str) -> None:
    """A terminal may pass bytes that are not text, as lone surrogates."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgument("The argument is not text in UTF-8; type it again.") from error


class Operations:
    def __init__(self, store: Documents, settings: Settings, operator: str) -> None:
        self._store = store
        self._time = time = RealTime()
        self._key = AuditKey.of(settings)
        self._audit = AuditLog(store, time, self._key)
        self._keys = KeyRing(store, time, settings)
        grants = Grants(store, OwnTokens(self._keys, settings, time), settings, time)
        self._users = Users(store, Passwords(settings.password_threads), grants, self._audit, time)
        self._clients = Clients(store, settings, time)
        self._who = {"kind": "operator", "subject": operator, "client": "tributary"}

    async def create_admin(self, email: str, password: str | None) -> tuple[str | None, str | None]:
        """Create an administrator: the one-time password, where none was given, and the id of a user who waits for the
        confirmation of an administrator, as all but the first two do. Raises OperationFailed.
        """
        author = Author(self._who, derived_id("operator", email, self._time.now().isoformat()))
        try:
            user, one_time = await self._users.create(email, ("ROLE_ADMIN",), author, password=password)
        except Problem as problem:
            raise OperationFailed(REASONS[problem.reason].en) from problem
        return one_time, user.id if user.pending is not None else None

    async def create_distributor_login(self, email: str, distributor_id: int, password: str | None) -> str | None:
        """A login for a distributor who is already in the network. Raises OperationFailed."""
        author = Author(self._who, derived_id("operator", email, self._time.now().isoformat()))
        try:
            _, one_time = await self._users.create(
                email, ("ROLE_DISTRIBUTOR",), author, password=password, distributor_id=distributor_id
            )
        except Problem as problem:
            raise OperationFailed(problem.detail or REASONS[problem.reason].en) from problem
        return one_time

    async def require_shop(self, shop_id: str) -> None:
        """Raises OperationFailed where no shop of this id is registered; suggests similar ids."""
        if await self._store.find(SHOPS, {"_id": shop_id}, limit=1):
            return
        known = [shop["_id"] for shop in await self._store.find(SHOPS, {}, limit=_SHOPS_LOOKED_AT_MAX, fields=("_id",))]
        near = get_close_matches(shop_id, known)
        perhaps = f" Did you mean {' or '.join(near)}?" if near else ""
        raise OperationFailed(f"There is no shop {shop_id}; register it first with POST /api/shops.{perhaps}")

    async def create_shop(self, shop_id: str, *, replace: bool = False) -> tuple[str, str]:
        """The client id of a shop and a new secret; with `replace` no former one works any more."""
        client_id, secret = await self._clients.secret_for_shop(shop_id, keep=not replace)
        await self._note("client.secret-added", client_id, {"shop_id": shop_id, "replaced": replace})
        return client_id, secret

    async def disable_shop(self, shop_id: str) -> None:
        """Raises OperationFailed where the shop has no login."""
        client_id = await self._clients.disable_shop(shop_id)
        if client_id is None:
            raise OperationFailed(f"Shop {shop_id} has no login; `tributary identity create-shop` gives it one.")
        await self._note("client.disabled", client_id, {"shop_id": shop_id})

    async def create_client(self, client_id: str, name: str, redirect_uris: Sequence[str]) -> None:
        """A public client, for people to log in with. Raises OperationFailed."""
        try:
            await self._clients.save_public(client_id, name, redirect_uris)
        except ValueError as error:
            raise OperationFailed(f"{error}.") from error
        await self._note("client.saved", client_id, {"name": name, "redirect_uris": list(redirect_uris)})

    async def rotate_keys(self, *, at_once: bool) -> tuple[str, str]:
        """The id of the new key, and the time from which it signs."""
        key = await self._keys.rotate(at_once=at_once)
        await self._note("signing-key.added", key.kid, {"at_once": at_once})
        return key.kid, key.signs_from.isoformat()

    @property
    def is_keyed(self) -> bool:
        """Whether the audit log has a key, so that a writer of the database cannot rewrite it unseen."""
        return self._key is not None

    async def verify_audit(self, expected: Sequence[tuple[int, str]]) -> Verified:
        """Walk the audit log, see `api.storage.audit_verify.verify`, and compare accounts with it."""
        head = await audit_log.head_of(self._store)
        verified = await verify(self._store, head, [Head(*each) for each in expected], self._key)
        if not verified.head.number and await self._store.find(USERS.name, {}, limit=1, fields=("_id",)):
            deleted = "the log is empty, although there are users: it was deleted"
            return Verified(verified.head, [*verified.breaches, deleted])
        return Verified(verified.head, [*verified.breaches, *await breaches_of_accounts(self._store, self._time)])

    async def seal_audit(self) -> int:
        """Vouch for all entries so far; the number of the entry that says so. Raises OperationFailed without a key."""
        if self._key is None:
            raise OperationFailed("Set TRIBUTARY_IDENTITY_SECRET first, as the API has it; without it there is no key.")
        head = await audit_log.head_of(self._store) or Head()
        await self._note(audit_log.SEALED, "audit", {"number": head.number, "hash": head.hash})
        return head.number + 1

    async def changes(self, target: str | None, who: str | None, last: int) -> list[dict[str, Any]]:
        """The newest entries, oldest first, of a thing or by a subject if given; with those of the last seconds."""
        if not await self._audit.lacks_key():
            await MessageChanges(self._store, self._audit, self._time).copy()
        filters = {"target": target, "who.subject": who}
        where = {name: value for name, value in filters.items() if value is not None}
        found = await self._store.find(AUDIT.name, where, sort=(("_id", -1),), limit=last)
        return found[::-1]

    async def note(self, action: str, target: str, after: dict[str, object]) -> None:
        """Record a change that a command makes by itself, without a message. Raises OperationFailed."""
        await self.require_key()
        await self._note(action, target, after)

    async def require_key(self) -> None:
        """Raises OperationFailed where the log has a key and this process has not: its entry would count as forged."""
        if await self._audit.lacks_key():
            raise OperationFailed(
                "The audit log is keyed; set TRIBUTARY_IDENTITY_SECRET as the API has it, and repeat."
            )

    async def _note(self, action: str, target: str, after: dict[str, object]) -> None:
        correlation = derived_id("operator", action, target, self._time.now().isoformat())
        await self._audit.append(audit_log.Entry(self._who, action, target, correlation, after=after))
