"""The authorization endpoint: a person logs in on our page, and the client gets a code."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access.ports import Here, Ports
from api.http.problems import REASONS, Problem, language_of, problem_answer, reasons_of
from api.http.requests import address_of
from api.identity.accounts.sessions import form_token_for
from api.identity.model import User
from api.identity.oauth import page
from api.identity.oauth.authorize import (
    PARAMETERS,
    AuthorizationRequest,
    PageError,
    RedirectError,
    answer_uri,
    authorization_request_of,
    redirect_of,
    single,
)
from api.identity.opaque import hash_of, new_secret

router = APIRouter(tags=["oauth"])

_HTML = {"text/html": {"schema": {"type": "string"}}}
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The login page.", "content": _HTML},
    303: {"description": "To the client, with a code or an error."},
    400: {"description": "The client or its redirect is not known; shown to the person.", "content": _HTML},
}
_TOO_MANY: dict[str, Any] = {
    "description": f"`too_many_requests`: {REASONS['too_many_requests'].en} The page shows it after many failures.",
    "content": {**_HTML, **problem_answer("")["content"]},
}
_QUERY = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in PARAMETERS]
_PERSON_FIELDS = {
    "csrf": "The page's own token; a form without it only shows the page again.",
    "act": "The button: `cancel`, `another` (account) or `continue` (as the logged-in user); absent at login.",
    "email": "The e-mail address of the person.",
    "password": "Their password.",
    "new_password": "Replaces the password, where that is required.",
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        **{name: {"type": "string", "description": "As in the query."} for name in PARAMETERS},
                        **{name: {"type": "string", "description": about} for name, about in _PERSON_FIELDS.items()},
                    },
                }
            }
        },
    }
}


@router.get(
    "/oauth/authorize",
    summary="Log in for a client",
    response_class=HTMLResponse,
    responses=_PAGE,
    openapi_extra={"parameters": _QUERY},
)
async def ask(request: Request, ports: Here) -> Response:
    """Shows the login page to a person whom a client sent here. PKCE with S256 is required."""
    return await _answered(request, ports, request.url.query, None)


@router.post(
    "/oauth/authorize",
    summary="Submit the login page's form",
    response_class=HTMLResponse,
    responses={**_PAGE, 429: _TOO_MANY},
    openapi_extra=_FORM,
)
async def grant(request: Request, ports: Here) -> Response:
    """For the login page only: a client sends the person to the page, and never handles the person's password."""
    try:
        form = (await request.body()).decode()
    except ValueError:
        return _error_page(request, "repeated_parameter")
    return await _answered(request, ports, form, "form")


async def _answered(request: Request, ports: Ports, text: str, kind: str | None) -> Response:
    """Check the request, then show the page or process its form; errors go to the person, or to the known client."""
    try:
        parameters = single(text)
        client = await ports.identity.clients.get(parameters.get("client_id", ""))
        redirect_uri = redirect_of(parameters, client)
        assert client is not None
    except ValueError:  # RepeatedParameter is one.
        return _error_page(request, "repeated_parameter")
    except PageError as error:
        return _error_page(request, str(error))
    try:
        requested = authorization_request_of(parameters, client, redirect_uri)
        return await (_submit(request, ports, requested, parameters) if kind else _show(request, ports, requested))
    except RedirectError as error:
        answer = {"error": error.error, "error_description": error.description}
        return _redirect(answer_uri(redirect_uri, ports.settings.public_url, parameters.get("state"), **answer))


async def _show(request: Request, ports: Ports, requested: AuthorizationRequest) -> Response:
    sessions = ports.identity.sessions
    user = await sessions.user_of(request)
    cookie = sessions.cookie_of(request) or new_secret()
    return _login_page(request, ports, requested, cookie, known_as=user.email if user else None)


async def _submit(request: Request, ports: Ports, requested: AuthorizationRequest, form: dict[str, str]) -> Response:
    sessions = ports.identity.sessions
    cookie = sessions.cookie_of(request)
    if cookie is None or not sessions.is_from_our_page(request, form.get("csrf", "")):
        # A page that was open for too long ends here too: it is shown again, and nothing has changed.
        return _login_page(request, ports, requested, cookie or new_secret(), problem_reason="cross_site")
    match form.get("act"):
        case "cancel":
            raise RedirectError("access_denied", "the person cancelled the login")
        case "another":
            return _login_page(request, ports, requested, cookie)
        case "continue":
            user = await sessions.user_of(request)
            if user is None:
                return _login_page(request, ports, requested, cookie)
            return await _to_client(ports, requested, user, sessions.hash_of_session(request), None)
        case _:
            return await _log_in(request, ports, requested, cookie, form)


async def _log_in(
    request: Request, ports: Ports, requested: AuthorizationRequest, cookie: str, form: dict[str, str]
) -> Response:
    email = form.get("email", "")[:254]
    try:
        user = await ports.identity.logins.log_in(
            email, form.get("password", "")[:128], address_of(request), form.get("new_password") or None
        )
    except Problem as problem:
        wants_new_password = "new_password" in form or problem.reason == "password_change_required"
        response = _login_page(
            request,
            ports,
            requested,
            cookie,
            email=email,
            problem_reason=problem.reason,
            wants_new_password=wants_new_password,
        )
        status = reasons_of(request)[problem.reason].status
        response.status_code = status if status in (429, 503) else 200
        response.headers.update({name: v for name, v in problem.headers.items() if name == "Retry-After"})
        return response
    # The person may have been logged in as another user; that session would stay usable.
    await ports.identity.sessions.end(request)
    begun = await ports.identity.sessions.begin(user)
    return await _to_client(ports, requested, user, hash_of(begun), begun)


async def _to_client(
    ports: Ports, requested: AuthorizationRequest, user: User, session: str | None, cookie: str | None
) -> Response:
    code = await ports.identity.grants.code_for(
        user, requested.client.id, requested.redirect_uri, requested.challenge, requested.scope, session
    )
    response = _redirect(answer_uri(requested.redirect_uri, ports.settings.public_url, requested.state, code=code))
    if cookie is not None:
        ports.identity.sessions.set_cookie(response, cookie)
    return response


def _login_page(
    request: Request,
    ports: Ports,
    requested: AuthorizationRequest,
    cookie: str,
    *,
    problem_reason: str | None = None,
    **options: Any,
) -> Response:
    language = language_of(request)
    alert = reasons_of(request)[problem_reason].in_language(language) if problem_reason else ""
    html = page.login_page(requested, form_token_for(cookie), language, alert=alert, **options)
    response = HTMLResponse(html, headers=page.headers_for(requested.redirect_uri))
    ports.identity.sessions.set_cookie(response, cookie)
    return response


def _error_page(request: Request, reason: str) -> Response:
    return HTMLResponse(page.error_page(reason, language_of(request)), 400, headers=page.headers_for(None))


def _redirect(uri: str) -> Response:
    """303: the browser must not send the password on (RFC 9700, section 4.12)."""
    return RedirectResponse(uri, 303, headers={"Cache-Control": "no-store"})
