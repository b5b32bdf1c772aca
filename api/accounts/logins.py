"""First-party login for distributors and administrators, registration with an invite code, and `/api/me`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from api.access.guard import Authenticated, correlation_of, needs
from api.access.ports import Here
from api.accounts.tokens import TokenAnswer, token_answer
from api.http.bodies import Body, BodyRoute
from api.http.ids import ShownId
from api.http.preferences import Preferences
from api.http.problems import Problem, documented
from api.http.requests import address_of
from api.identity.accounts.logins import CHALLENGE
from api.identity.accounts.registration import Joining
from api.identity.given import AnyEmail, Email
from api.identity.model import FIRST_PARTY, User
from api.identity.oauth.grants import GrantRefused
from api.identity.principal import Principal
from contracts.fields import NAME_PATTERN, visible_name

login_router = APIRouter(prefix="/api/auth", tags=["login"], route_class=BodyRoute)
"""Absent where an OpenID provider has the users."""

router = APIRouter(prefix="/api", tags=["login"], route_class=BodyRoute)

Password = Annotated[SecretStr, Field(min_length=1, max_length=128, examples=["correct horse battery"])]


def _visible_or_empty(name: str) -> str:
    return name and visible_name(name)


PersonName = Annotated[
    str,
    Field(max_length=100, pattern=f"^$|{NAME_PATTERN}", examples=["Lin"]),
    AfterValidator(_visible_or_empty),
]
PreferWait = Annotated[
    str | None, Header(alias="Prefer", max_length=200, description="`wait=N` (RFC 7240): seconds to wait, at most 10.")
]


class LogIn(Body):
    email: AnyEmail
    password: Password
    new_password: Password | None = Field(
        default=None, description="Replaces the password; required with a one-time password."
    )


class Refresh(Body):
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=256, examples=["y8…"])]


class Register(Body):
    invite_code: Annotated[SecretStr, Field(min_length=1, max_length=64, examples=["ABCDE-FGHJK-LMNPQ-RSTUV"])]
    email: Email
    password: Password
    name: PersonName = ""


class Registered(BaseModel):
    user_id: str
    email: str
    distributor_id: ShownId


class Pending(BaseModel):
    status: Literal["pending"] = "pending"
    detail: str = "The network has not answered yet; send the same request again."


class Me(BaseModel):
    """The principal of the access token."""

    kind: Literal["admin", "distributor", "shop"]
    subject: str
    roles: list[str]
    permissions: list[str]
    distributor_id: ShownId | None = None
    shop_id: str | None = None
    client_id: str | None = None


class NewInvite(Body):
    uses_max: int = Field(default=1, strict=True, ge=1, le=1000, description="How many distributors may join with it.")
    days: int = Field(default=30, strict=True, ge=1, le=365, description="How long it is valid.")


class CreatedInvite(BaseModel):
    code: str = Field(
        description="Shown only this once; only its hash is stored.", examples=["ABCDE-FGHJK-LMNPQ-RSTUV"]
    )
    sponsor_id: ShownId
    uses_max: int
    expires_at: datetime


class EndedInvites(BaseModel):
    ended_at: datetime = Field(
        description="Codes that you made before are refused.", examples=["2026-11-29T12:00:00.000000Z"]
    )


_LOGIN_PROBLEMS = documented(
    "wrong_credentials", "too_many_attempts", "password_change_required", "weak_password", "busy"
)


@login_router.post("/login", summary="Log in with address and password", responses=_LOGIN_PROBLEMS)
async def log_in(body: LogIn, request: Request, response: Response, ports: Here) -> TokenAnswer:
    """For our own apps. Other apps use OAuth's authorization code, and never see a password."""
    new_password = body.new_password.get_secret_value() if body.new_password else None
    user = await ports.identity.logins.log_in(
        body.email, body.password.get_secret_value(), address_of(request), new_password
    )
    response.headers["Cache-Control"] = "no-store"
    return token_answer(await ports.identity.grants.begin(user, FIRST_PARTY))


@login_router.post("/refresh", summary="New tokens for a refresh token", responses=documented("invalid_grant"))
async def refresh(body: Refresh, response: Response, ports: Here) -> TokenAnswer:
    """A refresh token is good for one use. A repeat within seconds, after a lost answer, gets the same successor; a
    repeat later, or after its successor was used, ends the login that it belongs to.
    """
    response.headers["Cache-Control"] = "no-store"
    try:
        return token_answer(await ports.identity.grants.rotate(body.refresh_token.get_secret_value(), FIRST_PARTY))
    except GrantRefused:
        raise Problem("invalid_grant", headers=CHALLENGE) from None


@login_router.post("/logout", summary="End a login", status_code=204, responses=documented())
async def log_out(body: Refresh, ports: Here) -> None:
    """The answer is the same for an invalid token."""
    await ports.identity.grants.revoke(body.refresh_token.get_secret_value(), FIRST_PARTY)


@login_router.post(
    "/register",
    summary="Join as a distributor",
    status_code=201,
    responses={
        202: {"model": Pending, "description": "The network has not answered yet."},
        **documented(
            "invalid_invite",
            "email_taken",
            "weak_password",
            "registration_refused",
            "too_many_attempts",
            "broker_unavailable",
        ),
    },
)
async def register(
    body: Register, request: Request, response: Response, ports: Here, prefer: PreferWait = None
) -> Registered | Pending:
    """Joins below the sponsor who made the invite code. A repeat changes nothing and gets the same answer."""
    joining = Joining(body.invite_code.get_secret_value(), body.email, body.password.get_secret_value(), body.name)
    user: User | None = await ports.identity.registrations.register(
        joining, address_of(request), correlation_of(request), Preferences.of(prefer or "").wait_s
    )
    if user is None or user.distributor_id is None:
        response.status_code = 202
        response.headers["Retry-After"] = "2"
        return Pending()
    response.headers["Location"] = "/api/me"
    return Registered(user_id=user.id, email=user.email, distributor_id=user.distributor_id)


@router.get("/me", summary="Who am I", responses=documented())
async def me(principal: Authenticated) -> Me:
    return Me(
        kind=principal.kind,
        subject=principal.subject,
        roles=list(principal.roles),
        permissions=sorted(principal.permissions),
        distributor_id=principal.distributor_id,
        shop_id=principal.shop_id,
        client_id=principal.client_id,
    )


@login_router.post(
    "/invites",
    summary="Invite a distributor",
    status_code=201,
    responses=documented("not_a_distributor", "too_many_invites"),
)
async def invite(
    body: NewInvite,
    request: Request,
    response: Response,
    ports: Here,
    principal: Annotated[Principal, needs("invites:write")],
) -> CreatedInvite:
    """A distributor who joins with the code stands below the distributor who made it."""
    code, created = await ports.identity.invites.create(
        principal, correlation_of(request), uses_max=body.uses_max, days=body.days
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedInvite(
        code=code, sponsor_id=created.sponsor_id, uses_max=created.uses_max, expires_at=created.expires_at
    )


@login_router.delete("/invites", summary="End your invites", responses=documented("not_a_distributor"))
async def end_invites(
    request: Request, ports: Here, principal: Annotated[Principal, needs("invites:write")]
) -> EndedInvites:
    """All codes that you have made until now; later ones are good. They also end with your logins: when these are all
    ended, or you are switched off.
    """
    return EndedInvites(ended_at=await ports.identity.invites.end_all(principal, correlation_of(request)))
