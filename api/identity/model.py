"""The entities of identity. Secrets are stored as hashes; times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.identity.permissions import OF_TWO_PERSONS, Role, effective

FIRST_PARTY = "tributary"
"""The client of the tokens from our own login endpoint."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A person, by user id, who made an account, changed its rights or replaced its password."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """A change of rights, or a new password, that waits for a second administrator. `by` is the user who requests it,
    or None on the command line.
    """

    what: Literal["rights", "password"]
    by: str | None
    at: datetime
    roles: tuple[Role, ...] = ()
    granted: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """A person. `granted` and `withheld` are an administrator's changes to the permissions of the roles.

    `touched` are the changes of the last days, so that no one is their own second person. Access tokens and invites
    from before `not_before` are refused, invites from before `no_invites_before` too.
    """

    id: str
    email: str
    password_hash: str
    roles: tuple[Role, ...]
    created_at: datetime
    name: str = ""
    active: bool = True
    distributor_id: int | None = None
    granted: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    must_change_password: bool = False
    password_changed_at: datetime | None = None
    version: int = 1
    touched: tuple[Touch, ...] = ()
    pending: Pending | None = None
    not_before: datetime | None = None
    no_invites_before: datetime | None = None

    @property
    def permissions(self) -> frozenset[str]:
        return effective(self.roles, self.granted, self.withheld)

    @property
    def rights(self) -> frozenset[str]:
        """The permissions that can be used now."""
        return self.permissions if self.active else frozenset()

    @property
    def is_privileged(self) -> bool:
        """Whether two persons decide about this account: it makes others, or takes part in changing what is paid."""
        return "ROLE_ADMIN" in self.roles or bool(self.permissions & OF_TWO_PERSONS)


@dataclass(frozen=True, slots=True)
class Client:
    """A program. A shop's client has secrets (the last two, so that a secret can be rotated without downtime) and no
    redirects; a client that people use is public, has redirects and uses PKCE. Access tokens from before `not_before`
    are refused.
    """

    id: str
    name: str
    kind: Literal["public", "shop"]
    created_at: datetime
    redirect_uris: tuple[str, ...] = ()
    secret_hashes: tuple[str, ...] = ()
    shop_id: str | None = None
    granted: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    active: bool = True
    not_before: datetime | None = None

    @property
    def permissions(self) -> frozenset[str]:
        """The permissions of a shop; a public client has those of its user."""
        return effective(("ROLE_SHOP",), self.granted, self.withheld) if self.kind == "shop" else frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """One login of a user through a client: the family of its refresh tokens.

    `session` is the hash of the browser session that it began in, which ends with it. `not_before` is the user's when
    the password was checked; once the user has a later one, the login has ended, even if it was recorded after that.
    """

    id: str
    user_id: str
    client_id: str
    created_at: datetime
    expires_at: datetime
    scope: str | None = None
    revoked_at: datetime | None = None
    revoked_for: str | None = None
    session: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Stored by its hash. It is good for one use; a later reuse ends its whole family.

    `successor` is the token that replaced it, sealed with this one: the store alone cannot open it. It is the answer to
    a request that is repeated because its answer was lost.
    """

    hash: str
    grant_id: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code, stored by its hash, bound to the client, the redirect and the challenge.

    `not_before`: as in `Grant`.
    """

    hash: str
    client_id: str
    user_id: str
    redirect_uri: str
    challenge: str
    grant_id: str
    expires_at: datetime
    scope: str | None = None
    used_at: datetime | None = None
    session: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in on our page, stored by the hash of its cookie. `not_before`: as in `Grant`."""

    hash: str
    user_id: str
    expires_at: datetime
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """A sponsor's invitation, stored by the hash of its code. It is as good as the access token of its maker, whose
    time is `token_at`, without its expiry.
    """

    hash: str
    sponsor_id: int
    created_by: str
    created_at: datetime
    expires_at: datetime
    uses_max: int = 1
    uses: int = 0
    token_at: datetime | None = None

    def is_good(self, maker: User | None, now: datetime) -> bool:
        """Whether someone may join with it now: its maker is active, and has ended neither that login nor the invites
        since.
        """
        if maker is None or not maker.active or self.expires_at <= now or self.uses >= self.uses_max:
            return False
        if maker.not_before is not None and (self.token_at or self.created_at) < maker.not_before:
            return False
        return maker.no_invites_before is None or self.created_at > maker.no_invites_before


@dataclass(frozen=True, slots=True)
class Registration:
    """A distributor who is joining, stored by the hash of the e-mail address, so that a repeat continues it."""

    email_hash: str
    email: str
    name: str
    password_hash: str
    invite_hash: str
    sponsor_id: int
    distributor_id: int
    user_id: str
    created_at: datetime
    state: Literal["pending", "done", "refused"] = "pending"


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed logins of one account, or from one address, since the last success."""

    key: str
    failures: int
    expires_at: datetime
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`private` is the sealed PEM. It signs from `signs_from` and verifies until `retires_at`.

    `proof` is an HMAC of the other fields under the identity secret: an attacker who can only write to the database
    cannot make it.
    """

    kid: str
    private: str
    public: dict[str, str]
    created_at: datetime
    signs_from: datetime
    retires_at: datetime | None = None
    proof: str = ""
