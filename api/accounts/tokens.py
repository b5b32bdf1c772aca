"""OAuth 2.0 as RFC 9700 profiles it: token, revocation, keys and metadata. Errors follow RFC 6749, not RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api.access.ports import Here, Ports
from api.identity.model import FIRST_PARTY, Client
from api.identity.oauth.authorize import VERIFIER, RepeatedParameter, single
from api.identity.oauth.clients import InvalidClient, MultipleCredentials, credentials_of
from api.identity.oauth.grants import GrantRefused, Tokens
from api.identity.permissions import PERMISSIONS, as_scope, narrowed
from api.identity.tokens.keys import PUBLISHED_FOR_S

router = APIRouter(tags=["oauth"])

_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class PublicKey(BaseModel):
    """RFC 7517, section 4, and RFC 7518, section 6.2."""

    kty: str = Field(examples=["EC"])
    crv: str = Field(examples=["P-256"])
    x: str = Field(examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])
    y: str = Field(examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"])
    alg: str = Field(examples=["ES256"])
    use: str = Field(examples=["sig"])
    kid: str = Field(examples=["k1"])


class KeySet(BaseModel):
    """RFC 7517, section 5."""

    keys: list[PublicKey]


class ServerMetadata(BaseModel):
    """RFC 8414, section 2."""

    issuer: str = Field(examples=["https://tributary.example"])
    authorization_endpoint: str = Field(examples=["https://tributary.example/oauth/authorize"])
    token_endpoint: str = Field(examples=["https://tributary.example/oauth/token"])
    revocation_endpoint: str = Field(examples=["https://tributary.example/oauth/revoke"])
    end_session_endpoint: str = Field(examples=["https://tributary.example/oauth/logout"])
    jwks_uri: str = Field(examples=["https://tributary.example/.well-known/jwks.json"])
    response_types_supported: list[str] = Field(examples=[["code"]])
    response_modes_supported: list[str] = Field(examples=[["query"]])
    grant_types_supported: list[str] = Field(examples=[["authorization_code", "client_credentials", "refresh_token"]])
    code_challenge_methods_supported: list[str] = Field(examples=[["S256"]])
    token_endpoint_auth_methods_supported: list[str] = Field(examples=[["none", "client_secret_basic"]])
    revocation_endpoint_auth_methods_supported: list[str] = Field(examples=[["none", "client_secret_basic"]])
    authorization_response_iss_parameter_supported: bool = Field(examples=[True])
    scopes_supported: list[str] = Field(examples=[["orders:read", "orders:write"]])
    ui_locales_supported: list[str] = Field(examples=[["en", "zh"]])


class Revoked(BaseModel):
    """Empty: RFC 7009, section 2.2."""


class _KeySetResponse(JSONResponse):
    media_type = "application/jwk-set+json"


class TokenAnswer(BaseModel):
    """RFC 6749, section 5.1."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105  (the name of the scheme)
    expires_in: int = Field(description="Seconds.", examples=[600])
    refresh_token: str | None = Field(
        default=None, description="Good for one use; a repeat within seconds gets the same successor. Absent for shops."
    )
    scope: str = Field(examples=["orders:read orders:write"])


class OAuthError(BaseModel):
    """RFC 6749, section 5.2."""

    error: str = Field(examples=["invalid_grant"])
    error_description: str | None = None


class Refused(Exception):
    """Ends a token request with an OAuth error."""

    def __init__(self, error: str, description: str, status: int = 400, challenge: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge


def token_answer(tokens: Tokens) -> TokenAnswer:
    return TokenAnswer(
        access_token=tokens.access, expires_in=tokens.life_s, refresh_token=tokens.refresh, scope=tokens.scope
    )


def _form(fields: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI's request body of an operation that takes a form."""
    properties = {name: {"type": "string", "description": about} for name, about in fields.items()}
    required = [name for name in ("grant_type", "token") if name in fields]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}


_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthError, "description": "The request, the grant or the scope is refused."},
    401: {"model": OAuthError, "description": "`invalid_client`: the client is not authenticated."},
}


@router.post(
    "/oauth/token",
    summary="Tokens for a code, a refresh token or a shop's secret",
    responses={200: {"model": TokenAnswer}, **_ERRORS},
    openapi_extra=_form(
        {
            "grant_type": "authorization_code, refresh_token or client_credentials.",
            "code": "The authorization code.",
            "redirect_uri": "The same as in the authorization request.",
            "code_verifier": "The secret behind the code challenge.",
            "refresh_token": "The last refresh token of this login.",
            "scope": "The permissions, if fewer than all.",
            "client_id": "The client, unless the Authorization header names it.",
            "client_secret": "The shop's secret, unless the Authorization header has it.",
        }
    ),
)
async def token(request: Request, ports: Here) -> JSONResponse:
    """Shops authenticate with `client_secret_basic` or `client_secret_post`; public clients by PKCE alone."""
    try:
        form = await _read(request)
        client = await _client(request, form, ports)
        answer = await _granted(form, client, ports)
    except Refused as refused:
        return _refusal(refused)
    return JSONResponse(answer.model_dump(exclude_none=True), headers=_NO_STORE)


@router.post(
    "/oauth/revoke",
    summary="End the login of a refresh token",
    responses={200: {"model": Revoked, "description": "The token is invalid now, or always was."}, **_ERRORS},
    openapi_extra=_form(
        {
            "token": "The refresh token.",
            "token_type_hint": "refresh_token.",
            "client_id": "The client, unless the Authorization header names it.",
            "client_secret": "The shop's secret, unless the Authorization header has it.",
        }
    ),
)
async def revoke(request: Request, ports: Here) -> JSONResponse:
    """RFC 7009. Access tokens cannot be revoked: they expire within minutes."""
    try:
        form = await _read(request)
        client = await _client(request, form, ports)
        secret = form.get("token")
        if not secret:
            raise Refused("invalid_request", "token is required")
        if secret.count(".") == 2:
            raise Refused("unsupported_token_type", "access tokens expire by themselves within minutes")
        await ports.identity.grants.revoke(secret, client.id)
    except Refused as refused:
        return _refusal(refused)
    return JSONResponse({}, headers=_NO_STORE)


@router.get(
    "/.well-known/jwks.json",
    summary="The keys that access tokens are verified with",
    response_class=_KeySetResponse,
    response_model=KeySet,
    response_description="A JWK set (RFC 7517).",
)
async def jwks(ports: Here) -> Response:
    headers = {"Cache-Control": f"public, max-age={PUBLISHED_FOR_S}"}
    return _KeySetResponse(await ports.identity.keys.published(), headers=headers)


@router.get("/.well-known/oauth-authorization-server", summary="What this authorization server can do (RFC 8414)")
async def metadata(ports: Here) -> ServerMetadata:
    issuer = ports.settings.public_url
    methods = ["none", "client_secret_basic", "client_secret_post"]
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/oauth/authorize",
        token_endpoint=f"{issuer}/oauth/token",
        revocation_endpoint=f"{issuer}/oauth/revoke",
        end_session_endpoint=f"{issuer}/oauth/logout",
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=list(_GRANT_TYPES),
        code_challenge_methods_supported=["S256"],
        token_endpoint_auth_methods_supported=methods,
        revocation_endpoint_auth_methods_supported=methods,
        authorization_response_iss_parameter_supported=True,
        scopes_supported=list(PERMISSIONS),
        ui_locales_supported=["en", "zh"],
    )


async def _read(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Refused("invalid_request", f"the body must be {_FORM}")
    try:
        return single((await request.body()).decode())
    except RepeatedParameter as error:
        raise Refused("invalid_request", "a parameter is repeated") from error
    except ValueError as error:
        raise Refused("invalid_request", "the body cannot be read") from error


async def _client(request: Request, form: dict[str, str], ports: Ports) -> Client:
    authorization = request.headers.get("authorization")
    try:
        client = await ports.identity.clients.authenticated(credentials_of(authorization, form))
    except MultipleCredentials as error:
        raise Refused("invalid_request", "the client uses two authentication methods") from error
    except InvalidClient as error:
        raise Refused("invalid_client", "the client is not authenticated", 401, authorization is not None) from error
    if client.id == FIRST_PARTY:
        raise Refused("unauthorized_client", "this client uses /api/auth")
    return client


async def _granted(form: dict[str, str], client: Client, ports: Ports) -> TokenAnswer:
    grants = ports.identity.grants
    scope = _scope(form)
    try:
        match form.get("grant_type"):
            case "authorization_code" if client.kind == "public":
                verifier, code = form.get("code_verifier", ""), form.get("code")
                if not code or "redirect_uri" not in form:
                    raise Refused("invalid_request", "code and redirect_uri are required")
                if not VERIFIER.fullmatch(verifier):
                    raise Refused("invalid_request", "code_verifier is required: 43 to 128 characters (PKCE)")
                return token_answer(await grants.redeem(code, client.id, form["redirect_uri"], verifier))
            case "refresh_token" if client.kind == "public":
                if "refresh_token" not in form:
                    raise Refused("invalid_request", "refresh_token is required")
                return token_answer(await grants.rotate(form["refresh_token"], client.id, scope))
            case "client_credentials" if client.kind == "shop":
                tokens = ports.identity.tokens
                if scope is not None and not set(scope.split()) <= client.permissions:
                    raise Refused("invalid_scope", "scope exceeds the permissions of the shop")
                held = as_scope(narrowed(client.permissions, scope))
                access = await tokens.for_shop(client, scope)
                return TokenAnswer(access_token=access, expires_in=tokens.life_s, scope=held)
            case None:
                raise Refused("invalid_request", "grant_type is required")
            case known if known in _GRANT_TYPES:
                raise Refused("unauthorized_client", "this client may not use that grant")
            case _:
                raise Refused("unsupported_grant_type", f"grant_type is one of {', '.join(_GRANT_TYPES)}")
    except GrantRefused as error:
        raise Refused("invalid_grant", "it is used, expired, or issued to another client") from error


def _scope(form: dict[str, str]) -> str | None:
    scope = form.get("scope")
    if scope is not None and not set(scope.split()) <= set(PERMISSIONS):
        raise Refused("invalid_scope", "scope names an unknown permission")
    return scope


def _refusal(refused: Refused) -> JSONResponse:
    headers = dict(_NO_STORE)
    if refused.challenge:
        headers["WWW-Authenticate"] = 'Basic realm="tributary"'
    body = {"error": refused.error, "error_description": refused.description}
    return JSONResponse(body, status_code=refused.status, headers=headers)
