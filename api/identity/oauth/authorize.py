"""Validates a request to the authorization endpoint: for a code, with PKCE, for a registered redirect.

Nothing here has an effect. An error goes to the client only once its redirect is known to be registered; before that it
is shown to the person (RFC 6749, section 4.1.2.1, and RFC 9700, section 4.11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from api.identity.model import Client
from api.identity.permissions import PERMISSIONS, as_scope

PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

_LOOPBACK_URI = re.compile(
    r"(?P<host>http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?"
)
_PORT_MAX = 65_535
_LENGTH_MAX = 2048
_PAIRS_MAX = 64


class PageError(Exception):
    """The request cannot be answered by redirect; the text is a reason code of the page."""


class RedirectError(Exception):
    """The request is refused with an OAuth error code, by redirect."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class RepeatedParameter(ValueError):
    """A parameter comes twice: two readers might read it differently."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A valid request. `scope` names existing permissions, or is None for all."""

    client: Client
    redirect_uri: str
    challenge: str
    state: str | None
    scope: str | None

    def parameters(self) -> dict[str, str]:
        """The request, as hidden fields of the page's form."""
        optional = {"state": self.state, "scope": self.scope}
        return {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **{name: value for name, value in optional.items() if value is not None},
        }


def single(text: str) -> dict[str, str]:
    """The parameters of a query or form. Raises RepeatedParameter, and ValueError for unreadable text."""
    pairs: Sequence[tuple[str, str]] = parse_qsl(
        text, keep_blank_values=False, strict_parsing=False, max_num_fields=_PAIRS_MAX, errors="strict"
    )
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise RepeatedParameter(name)
        found[name] = value
    return found


def redirect_of(parameters: dict[str, str], client: Client | None) -> str:
    """The redirect, which must be registered: an exact match, except for the port of a loopback redirect.

    A native app listens on any free port (RFC 8252, section 7.3). Raises PageError.
    """
    if client is None or not client.redirect_uris:
        raise PageError("unknown_client")
    redirect_uri = parameters.get("redirect_uri", "")
    if not any(redirect_uri == known or _differs_in_port_only(redirect_uri, known) for known in client.redirect_uris):
        raise PageError("unknown_redirect")
    return redirect_uri


def _differs_in_port_only(uri: str, registered: str) -> bool:
    requested, known = _LOOPBACK_URI.fullmatch(uri), _LOOPBACK_URI.fullmatch(registered)
    if requested is None or known is None or not 0 < int(requested["port"] or 80) <= _PORT_MAX:
        return False
    return (requested["host"], requested["rest"]) == (known["host"], known["rest"])


def authorization_request_of(parameters: dict[str, str], client: Client, redirect_uri: str) -> AuthorizationRequest:
    """The request of a client whose redirect is registered. Raises RedirectError."""
    if any(len(value) > _LENGTH_MAX for value in parameters.values()):
        raise RedirectError("invalid_request", "a parameter is too long")
    if parameters.get("response_type") != "code":
        raise RedirectError("unsupported_response_type", "response_type must be code")
    if parameters.get("response_mode", "query") != "query" or "request" in parameters or "request_uri" in parameters:
        raise RedirectError("invalid_request", "response_mode must be query, and request objects are not supported")
    if not CHALLENGE.fullmatch(parameters.get("code_challenge", "")):
        raise RedirectError("invalid_request", "code_challenge is required (PKCE)")
    if parameters.get("code_challenge_method") != "S256":
        raise RedirectError("invalid_request", "code_challenge_method must be S256")
    scope = parameters.get("scope")
    if scope is not None and not set(scope.split()) <= set(PERMISSIONS):
        raise RedirectError("invalid_scope", "scope names an unknown permission")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        challenge=parameters["code_challenge"],
        state=parameters.get("state"),
        scope=as_scope(scope.split()) if scope else None,
    )


def answer_uri(redirect_uri: str, issuer: str, state: str | None, **members: str) -> str:
    """The redirect with the answer in its query: the unchanged state, and the issuer (RFC 9207)."""
    parts = urlsplit(redirect_uri)
    answer = {**members, "iss": issuer, **({"state": state} if state is not None else {})}
    query = "&".join(filter(None, (parts.query, urlencode(answer, quote_via=quote))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def origin_of(uri: str) -> str:
    """The source for a content security policy: scheme and host, or the private scheme of an app."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
