"""What a route declares that it needs: `principal: Annotated[Principal, needs("orders:read")]`."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, OAuth2
from fastapi.security.base import SecurityBase

from api.access.ports import Ports
from api.http.limits import PRINCIPAL
from api.http.problems import Problem
from api.identity.accounts.logins import CHALLENGE
from api.identity.accounts.two_persons import Author
from api.identity.permissions import PERMISSIONS
from api.identity.principal import InvalidToken, Principal

log = structlog.get_logger()

BEARER = HTTPBearer(
    scheme_name="bearer", bearerFormat="JWT", description="An access token, from login or OAuth.", auto_error=False
)
_SCOPES = dict(PERMISSIONS)
_READING = ("GET", "HEAD", "OPTIONS")
OAUTH: SecurityBase = OAuth2(
    scheme_name="oauth2",
    description="Authorization code with PKCE for people, client credentials for shops.",
    flows={
        "authorizationCode": {
            "authorizationUrl": "/oauth/authorize",
            "tokenUrl": "/oauth/token",
            "refreshUrl": "/oauth/token",
            "scopes": _SCOPES,
        },
        "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": _SCOPES},
    },
    auto_error=False,
)


async def authenticate(request: Request) -> Principal:
    """The principal of the bearer token, with what the login may still do; verified and counted once for a request. It
    then waits for its turn, which `FewLargeAnswers` ends.

    Raises Problem unauthenticated, invalid_token, too_many_requests.
    """
    known: Principal | None = request.scope.get(PRINCIPAL)
    if known is not None:
        return known
    ports: Ports = request.app.state.ports
    reads = request.method in _READING
    bearer = await BEARER(request)
    if bearer is None:
        raise Problem("unauthenticated", headers=CHALLENGE)
    try:
        verified = await ports.identity.verifier.verify(bearer.credentials)
        principal = await ports.identity.standings.current(verified, writes=not reads)
    except InvalidToken as error:
        log.info("token refused", reason=error.reason)
        await ports.limits.count_address(request)
        raise Problem(
            "invalid_token", headers={"WWW-Authenticate": 'Bearer realm="tributary", error="invalid_token"'}
        ) from None
    request.scope[PRINCIPAL] = principal
    structlog.contextvars.bind_contextvars(principal=principal.name)
    await ports.limits.count_principal(request, principal.counted_as)
    turns = ports.limits.reads if reads else ports.limits.writes
    await turns.begin(request.scope, principal.counted_as)
    return principal


async def authenticated(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    _oauth: Annotated[str | None, Security(OAUTH)],
) -> Principal:
    """A dependency: the principal, with the two ways to get a token for the documentation. Raises as `authenticate`."""
    return await authenticate(request)


Authenticated = Annotated[Principal, Depends(authenticated)]
"""A route's parameter: any principal, whatever their permissions."""


def needs(*permissions: str) -> Any:
    """A dependency: the principal, if they have all of these permissions. Raises Problem insufficient_scope."""
    unknown = set(permissions) - set(PERMISSIONS)
    if unknown or not permissions:
        raise ValueError(f"a route needs permissions that exist; {unknown} do not")
    scope = " ".join(permissions)

    async def permitted(principal: Authenticated) -> Principal:
        if not principal.permissions.issuperset(permissions):
            challenge = f'Bearer realm="tributary", error="insufficient_scope", scope="{scope}"'
            raise Problem("insufficient_scope", headers={"WWW-Authenticate": challenge}, needs=list(permissions))
        return principal

    return Depends(permitted)


def correlation_of(request: Request) -> str:
    """The id of this request: the correlation id of everything that it causes."""
    return str(request.scope["tributary.request_id"])


def author_of(request: Request, principal: Principal) -> Author:
    """The author of a change, with what they may give to others, for the audit log."""
    return Author(principal.as_author, correlation_of(request), principal.subject, principal.permissions)
