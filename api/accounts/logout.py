"""Ends the session of the browser on our login page; a client may send the person here, and gets them back.

`post_logout_redirect_uri`, `client_id` and `state` are those of OpenID Connect RP-Initiated Logout 1.0. No ID tokens
are issued, so none is needed here, and the person is asked first.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access.ports import Here, Ports
from api.http.problems import language_of
from api.identity.accounts.sessions import form_token_for
from api.identity.oauth import page
from api.identity.oauth.authorize import PageError, redirect_of, single

router = APIRouter(tags=["oauth"])

_HTML = {"text/html": {"schema": {"type": "string"}}}
_FIELDS = {
    "client_id": "The client that sent the person here.",
    "post_logout_redirect_uri": "One of the redirects of this client, to which the person returns.",
    "state": "Returned unchanged.",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The question, or that no one is logged in.", "content": _HTML},
    303: {"description": "To the client."},
    400: {"description": "The client or its redirect is not known; shown to the person.", "content": _HTML},
}
_QUERY = [
    {"name": name, "in": "query", "description": about, "schema": {"type": "string"}} for name, about in _FIELDS.items()
]
_FORM_FIELDS = {**_FIELDS, "csrf": "The page's own token; without it the form only shows the question again."}
_FORM: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": about} for name, about in _FORM_FIELDS.items()
                    },
                }
            }
        }
    }
}


@router.get(
    "/oauth/logout",
    summary="Ask whether to log out",
    response_class=HTMLResponse,
    responses=_ANSWERS,
    openapi_extra={"parameters": _QUERY},
)
async def ask_to_log_out(request: Request, ports: Here) -> Response:
    """Shows a person who is logged in the question; it ends nothing, because any site can link here."""
    return await _answered(request, ports, request.url.query, submitted=False)


@router.post(
    "/oauth/logout",
    summary="Log out of the login page",
    response_class=HTMLResponse,
    responses=_ANSWERS,
    openapi_extra=_FORM,
)
async def log_out_of_page(request: Request, ports: Here) -> Response:
    """For the page's form only. The session of this browser ends; apps end their logins at `/oauth/revoke`."""
    try:
        form = (await request.body()).decode()
    except ValueError:
        return _error(request, "repeated_parameter")
    return await _answered(request, ports, form, submitted=True)


async def _answered(request: Request, ports: Ports, text: str, *, submitted: bool) -> Response:
    try:
        parameters = single(text)
        redirect_uri = await _redirect_of(ports, parameters)
    except PageError as error:
        return _error(request, str(error))
    except ValueError:  # RepeatedParameter is one.
        return _error(request, "repeated_parameter")
    sessions = ports.identity.sessions
    user = await sessions.user_of(request)
    cookie = sessions.cookie_of(request)
    ended = False
    if user is not None and cookie is not None:
        if not submitted or not sessions.is_from_our_page(request, parameters.get("csrf", "")):
            fields = {name: parameters[name] for name in _FIELDS if name in parameters}
            html = page.logout_page(form_token_for(cookie), fields, language_of(request), known_as=user.email)
            return HTMLResponse(html, headers=page.headers_for(redirect_uri))
        await sessions.end(request)
        ended = True
    response: Response = HTMLResponse(page.logged_out_page(language_of(request)), headers=page.headers_for(None))
    if redirect_uri is not None:
        state = {"state": parameters["state"]} if "state" in parameters else {}
        query = urlencode(state, quote_via=quote)
        uri = redirect_uri + (("&" if "?" in redirect_uri else "?") + query if query else "")
        response = RedirectResponse(uri, 303, headers={"Cache-Control": "no-store"})
    if ended:
        # Only then: another site's form comes without the cookie, and its answer must not remove it.
        sessions.clear_cookie(response)
    return response


async def _redirect_of(ports: Ports, parameters: dict[str, str]) -> str | None:
    """Where the person returns to; None if the request names no address. Raises PageError for an unregistered one."""
    asked = parameters.get("post_logout_redirect_uri")
    if asked is None:
        return None
    client = await ports.identity.clients.get(parameters.get("client_id", ""))
    return redirect_of({"redirect_uri": asked}, client)


def _error(request: Request, reason: str) -> Response:
    return HTMLResponse(page.error_page(reason, language_of(request)), 400, headers=page.headers_for(None))
