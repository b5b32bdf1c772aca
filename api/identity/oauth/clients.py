"""OAuth clients and their authentication (RFC 6749, section 2.3)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import unquote_plus, urlsplit

from api.identity.model import FIRST_PARTY, Client
from api.identity.opaque import hash_of, is_same, new_secret
from api.identity.repository import CLIENTS
from api.identity.tokens.standings import next_second
from api.storage.protocols import Documents
from infra.ports.store import Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact
from infra.settings import Settings

DOCS = "tributary-docs"
"""The client of our own documentation page."""

SECRETS_KEPT = 2
_LOOPBACK = {"127.0.0.1", "[::1]", "::1", "localhost"}
_NEVER = {"javascript", "data", "file", "vbscript", "blob", "about"}


class InvalidClient(Exception):
    """The client is unknown, or not authenticated (`invalid_client`)."""


class MultipleCredentials(Exception):
    """A client may use one authentication method per request (`invalid_request`)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client credentials of a request; a public client has no secret."""

    client_id: str
    secret: str | None = None


def credentials_of(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """client_secret_basic, client_secret_post, or the id alone. Raises InvalidClient, MultipleCredentials."""
    if authorization is None:
        if not form.get("client_id"):
            raise InvalidClient
        return Credentials(form["client_id"], form.get("client_secret"))
    if "client_secret" in form:
        raise MultipleCredentials
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise InvalidClient from error
    credentials = Credentials(unquote_plus(name), unquote_plus(secret))
    if not colon or form.get("client_id", credentials.client_id) != credentials.client_id:
        raise InvalidClient
    return credentials


def is_allowed_redirect(uri: str) -> bool:
    """https, http on the loopback interface, or a private scheme named like a domain (RFC 8252); never a fragment."""
    if any(ord(character) <= 32 or ord(character) == 127 for character in uri) or "#" in uri or "\\" in uri:
        return False
    parts = urlsplit(uri)
    if parts.scheme == "https":
        return bool(parts.hostname) and parts.username is None
    if parts.scheme == "http":
        return parts.hostname in _LOOPBACK and parts.username is None
    return "." in parts.scheme and parts.scheme not in _NEVER


def check_public(client_id: str, redirect_uris: Sequence[str]) -> None:
    """Raises ValueError for a reserved client id, or a redirect that is not allowed."""
    for uri in redirect_uris:
        if not is_allowed_redirect(uri):
            raise ValueError(f"{uri!r} cannot be redirected to; use https, http on this machine, or an app's scheme")
    if client_id in (FIRST_PARTY, DOCS) or client_id.startswith("shop."):
        raise ValueError(f"the client id {client_id} is taken")


class Clients:
    def __init__(self, store: Documents, settings: Settings, time: Time) -> None:
        self._store = store
        self._time = time
        began = datetime(2026, 1, 1, tzinfo=UTC)
        redirect = f"{settings.public_url}/docs/oauth2-redirect"
        self._built_in = {
            FIRST_PARTY: Client(FIRST_PARTY, "Tributary", "public", began),
            DOCS: Client(DOCS, "Tributary documentation", "public", began, redirect_uris=(redirect,)),
        }

    async def get(self, client_id: str) -> Client | None:
        client = self._built_in.get(client_id) or await CLIENTS.get(self._store, client_id)
        return client if client is not None and client.active else None

    async def authenticated(self, credentials: Credentials) -> Client:
        """The client, if one of its secrets matches, or it is public and has none. Raises InvalidClient."""
        client = await self.get(credentials.client_id)
        if client is None or (client.kind == "public") != (credentials.secret is None):
            raise InvalidClient
        if client.kind != "public":
            given = hash_of(credentials.secret or "")
            if not any(is_same(given, kept) for kept in client.secret_hashes):
                raise InvalidClient
        return client

    async def secret_for_shop(self, shop_id: str, *, keep: bool = True) -> tuple[str, str]:
        """The client id of a shop and a new secret; the previous secret stays valid until the next one."""
        secret, client_id = new_secret(), f"shop.{shop_id}"

        async def work(tx: Transaction) -> None:
            client = await CLIENTS.get(tx, client_id) or Client(
                client_id, shop_id, "shop", self._time.now(), shop_id=shop_id
            )
            hashes = (hash_of(secret), *(client.secret_hashes if keep else ()))[:SECRETS_KEPT]
            # Without the former secrets, the tokens that they were exchanged for end too.
            not_before = client.not_before if keep else next_second(self._time.now(), client.not_before)
            await CLIENTS.replace(tx, replace(client, secret_hashes=hashes, active=True, not_before=not_before))

        await transact(self._store, self._time, work)
        return client_id, secret

    async def disable_shop(self, shop_id: str) -> str | None:
        """The client id of the shop, which has no secret any more; None where it never had one."""
        client_id = f"shop.{shop_id}"

        async def work(tx: Transaction) -> str | None:
            client = await CLIENTS.get(tx, client_id)
            if client is None:
                return None
            not_before = next_second(self._time.now(), client.not_before)
            ended = replace(client, secret_hashes=(), active=False, not_before=not_before)
            await CLIENTS.replace(tx, ended)
            return client_id

        return await transact(self._store, self._time, work)

    async def save_public(self, client_id: str, name: str, redirect_uris: Sequence[str]) -> Client:
        """A client that people log in with. A repeat replaces its name and redirects. Raises ValueError."""
        check_public(client_id, redirect_uris)
        client = Client(client_id, name, "public", self._time.now(), redirect_uris=tuple(redirect_uris))
        await transact(self._store, self._time, lambda tx: CLIENTS.replace(tx, client))
        return client
