"""The logged-in user of our own page, and the check that a form came from it.

The cookie is a secret of its browser; the form has a hash of it. Another site can make the browser send the cookie, but
cannot read it, so it cannot forge the form.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from api.http.requests import login_cookie
from api.identity.model import Session, User
from api.identity.opaque import hash_of, is_same, new_secret
from api.identity.repository import SESSIONS, USERS
from api.storage.protocols import Documents
from infra.ports.store import Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact
from infra.settings import Settings

LIFE_S = 8 * 3600


class Sessions:
    def __init__(self, store: Documents, settings: Settings, time: Time) -> None:
        self._store = store
        self._time = time
        self._origin = settings.public_url
        self._https = settings.public_url.startswith("https://")
        self._name = login_cookie(https=self._https)

    def cookie_of(self, request: Request) -> str | None:
        return request.cookies.get(self._name)

    def set_cookie(self, response: Response, cookie: str) -> None:
        response.set_cookie(
            self._name, cookie, max_age=LIFE_S, path="/", secure=self._https, httponly=True, samesite="lax"
        )

    def is_from_our_page(self, request: Request, form_token: str) -> bool:
        """Whether a form was sent from our own page, by the browser that got it."""
        cookie = self.cookie_of(request)
        origin = request.headers.get("origin")
        if cookie is None or (origin is not None and origin != self._origin):
            return False
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        return is_same(form_token, form_token_for(cookie))

    async def begin(self, user: User) -> str:
        """A new cookie after a login, never the previous one."""
        cookie = new_secret()
        expires_at = self._time.now() + timedelta(seconds=LIFE_S)
        session = Session(hash_of(cookie), user.id, expires_at, user.not_before)
        await transact(self._store, self._time, lambda tx: SESSIONS.insert(tx, session))
        return cookie

    async def end(self, request: Request) -> None:
        """End the session of this browser, if it has one."""
        cookie, now = self.cookie_of(request), self._time.now()

        async def work(tx: Transaction) -> None:
            session = await SESSIONS.get(tx, hash_of(cookie)) if cookie else None
            if session is not None and session.expires_at > now:
                await SESSIONS.replace(tx, replace(session, expires_at=now))

        await transact(self._store, self._time, work)

    def clear_cookie(self, response: Response) -> None:
        response.delete_cookie(self._name, path="/", secure=self._https, httponly=True, samesite="lax")

    async def user_of(self, request: Request) -> User | None:
        cookie = self.cookie_of(request)
        session = await SESSIONS.get(self._store, hash_of(cookie)) if cookie else None
        if session is None or session.expires_at <= self._time.now():
            return None
        user = await USERS.get(self._store, session.user_id)
        if user is None or not user.active or user.must_change_password:
            return None
        return user if user.not_before == session.not_before else None

    def hash_of_session(self, request: Request) -> str | None:
        """What identifies the session of this browser in the store."""
        cookie = self.cookie_of(request)
        return hash_of(cookie) if cookie else None


def form_token_for(cookie: str) -> str:
    return hash_of(f"form of {cookie}")
