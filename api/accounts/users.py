"""Users and their permissions, for administrators."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import author_of, needs
from api.access.ports import Here
from api.accounts.logins import Password, PersonName
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.ids import ShownId
from api.http.paging import Cursor, Limit, Page, next_link
from api.http.problems import Problem, documented
from api.identity.accounts.users import UserChange
from api.identity.given import AnyEmail, Email
from api.identity.model import User
from api.identity.permissions import DEFAULTS, PERMISSIONS, Role
from api.identity.principal import Principal
from contracts.fields import DistributorId
from contracts.numbers import whole_of

router = APIRouter(prefix="/api/users", tags=["users"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("users:read")]
Writes = Annotated[Principal, needs("users:write")]
UserId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["4f1c0d3a9b7e4c2f8a6d5e4c3b2a1f00"])]
Permission = Annotated[str, Field(pattern=r"^[a-z-]{1,40}:[a-z-]{1,20}$", examples=["rules:approve"])]
Permissions = Annotated[list[Permission], Field(max_length=len(PERMISSIONS))]
Roles = Annotated[list[Role], Field(min_length=1, max_length=4, examples=[["ROLE_DISTRIBUTOR"]])]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=100, description="The ETag of the version that you edit.")
]


class PendingView(BaseModel):
    """What another administrator has to confirm, within seven days."""

    model_config = ConfigDict(title="PendingChange")

    what: Literal["rights", "password"]
    by: str | None = Field(description="The user who requests it; null for the command line.")
    at: datetime
    roles: list[Role]
    granted: list[str]
    withheld: list[str]
    active: bool


class UserView(BaseModel):
    model_config = ConfigDict(title="User")

    id: str
    email: str
    name: str
    roles: list[Role]
    granted: list[str] = Field(description="Permissions in addition to those of the roles.")
    withheld: list[str] = Field(description="Permissions of the roles that were withdrawn.")
    permissions: list[str] = Field(description="The resulting permissions.")
    active: bool
    distributor_id: ShownId | None
    created_at: datetime
    version: int
    pending: PendingView | None = Field(description="What waits for another administrator, if anything.")


class NewUser(Body):
    email: Email
    roles: Roles
    password: Password | None = Field(default=None, description="Absent: a one-time password is made and returned.")
    name: PersonName = ""
    distributor_id: DistributorId | None = None


class CreatedUser(UserView):
    model_config = ConfigDict(title="CreatedUser")

    one_time_password: str | None = Field(default=None, description="Shown only this once; must be replaced at login.")


class OneTimePassword(BaseModel):
    one_time_password: str | None = Field(
        description="Shown only this once; must be replaced at login. Null while another administrator has to confirm."
    )
    pending: PendingView | None = Field(description="What waits for another administrator, if anything.")


class Confirmation(Body):
    version: Annotated[int, Field(strict=True, ge=1, description="The version of the user that you have read.")]


class ChangeUser(Body):
    """An absent field keeps its value."""

    roles: Roles | None = None
    granted: Permissions | None = None
    withheld: Permissions | None = None
    active: Annotated[bool | None, Field(strict=True)] = None
    name: PersonName | None = None


class PermissionView(BaseModel):
    permission: str
    about: str
    roles: list[Role] = Field(description="The roles that have it.")


def view_of(user: User) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        roles=list(user.roles),
        granted=list(user.granted),
        withheld=list(user.withheld),
        permissions=sorted(user.permissions),
        active=user.active,
        distributor_id=user.distributor_id,
        created_at=user.created_at,
        version=user.version,
        pending=_pending(user),
    )


def _pending(user: User) -> PendingView | None:
    return PendingView.model_validate(asdict(user.pending)) if user.pending is not None else None


@router.get("", summary="List users", responses=documented("invalid_cursor"))
async def list_users(
    request: Request,
    ports: Here,
    principal: Reads,
    role: Annotated[Role | None, Query()] = None,
    email: Annotated[AnyEmail | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserView]:
    """By id."""
    found, after = await ports.identity.users.page(role, email, cursor, limit)
    return Page(items=[view_of(user) for user in found], next=next_link(request, after))


@router.get("/permissions", summary="List permissions", responses=documented())
async def list_permissions(principal: Reads) -> list[PermissionView]:
    return [
        PermissionView(permission=name, about=about, roles=[role for role, held in DEFAULTS.items() if name in held])
        for name, about in PERMISSIONS.items()
    ]


@router.get(
    "/{user_id}",
    summary="Show a user",
    response_model=UserView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_user(
    user_id: UserId, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    user = await ports.identity.users.get(user_id)
    if user is None:
        raise Problem("not_found")
    return read_response(request, view_of(user), user.version)


@router.post(
    "",
    summary="Create a user",
    status_code=201,
    responses=documented("email_taken", "weak_password", "unknown_distributor", "beyond_own_rights", "not_independent"),
)
async def create_user(
    body: NewUser, request: Request, response: Response, ports: Here, principal: Writes
) -> CreatedUser:
    """With no more permissions than you hold yourself. An administrator is inactive until another one confirms, who
    gets the one-time password for its holder; this one is void then.
    """
    user, one_time = await ports.identity.users.create(
        body.email,
        tuple(body.roles),
        author_of(request, principal),
        password=body.password.get_secret_value() if body.password else None,
        name=body.name,
        distributor_id=body.distributor_id,
    )
    response.headers["Location"] = f"/api/users/{user.id}"
    return _with_password(response, user, one_time)


@router.patch(
    "/{user_id}",
    summary="Change a user's roles and permissions",
    responses=documented(
        *("not_found", "precondition_failed", "unknown_permission", "last_administrator", "unknown_distributor"),
        *("own_rights", "beyond_own_rights"),
    ),
)
async def change_user(
    user_id: UserId,
    body: ChangeUser,
    request: Request,
    response: Response,
    ports: Here,
    principal: Writes,
    if_match: IfMatch = None,
) -> UserView:
    """Written to the audit log with before and after. A user who loses permissions is logged out everywhere.

    No one changes their own rights, or gives permissions that they do not hold. What makes an administrator, or lets a
    user change users or rules, waits as `pending` until another administrator confirms it.
    """
    command = UserChange(
        roles=tuple(body.roles) if body.roles is not None else None,
        granted=tuple(body.granted) if body.granted is not None else None,
        withheld=tuple(body.withheld) if body.withheld is not None else None,
        active=body.active,
        name=body.name,
    )
    user = await ports.identity.users.change(user_id, command, author_of(request, principal), _version(if_match))
    response.headers["ETag"] = _etag(user)
    return view_of(user)


@router.post(
    "/{user_id}/reset-password",
    summary="Give a user a new password",
    responses=documented("not_found", "own_rights", "beyond_own_rights", "not_independent"),
)
async def reset_password(
    user_id: UserId, request: Request, response: Response, ports: Here, principal: Writes
) -> OneTimePassword:
    """For a lost password: ends every login of the user. The new password is for one login only.

    An administrator's waits as `pending`; the administrator who confirms gets the password.
    """
    response.headers["Cache-Control"] = "no-store"
    user, one_time = await ports.identity.users.reset_password(user_id, author_of(request, principal))
    return OneTimePassword(one_time_password=one_time, pending=_pending(user))


@router.post(
    "/{user_id}/confirm",
    summary="Confirm what waits for a second administrator",
    responses=documented(
        *("not_found", "precondition_failed", "nothing_pending", "own_rights", "beyond_own_rights"),
        *("not_independent", "unknown_distributor"),
    ),
)
async def confirm_user(
    user_id: UserId, body: Confirmation, request: Request, response: Response, ports: Here, principal: Writes
) -> CreatedUser:
    """As an administrator who did not request it, and whose account the requester did not make, change or reset within
    seven days; nor the other way round. The answer has a one-time password, for the holder of the account, if one was
    asked for, or if the account now makes users or decides on rules: its maker's password is void.
    """
    author = author_of(request, principal)
    user, one_time = await ports.identity.users.confirm(user_id, body.version, author)
    return _with_password(response, user, one_time)


@router.post(
    "/{user_id}/reject",
    summary="Reject what waits for a second administrator",
    responses=documented("not_found", "precondition_failed", "nothing_pending"),
)
async def reject_user(
    user_id: UserId, body: Confirmation, request: Request, response: Response, ports: Here, principal: Writes
) -> UserView:
    user = await ports.identity.users.reject(user_id, body.version, author_of(request, principal))
    response.headers["ETag"] = _etag(user)
    return view_of(user)


def _with_password(response: Response, user: User, one_time: str | None) -> CreatedUser:
    response.headers["ETag"] = _etag(user)
    response.headers["Cache-Control"] = "no-store"
    return CreatedUser(**view_of(user).model_dump(), one_time_password=one_time)


def _etag(user: User) -> str:
    return f'"{user.version}"'


def _version(if_match: str | None) -> int | None:
    """The version that If-Match names; None for none or `*`. An invalid version matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    version = whole_of(if_match.strip().removeprefix('"').removesuffix('"'))
    return -1 if version is None else version
