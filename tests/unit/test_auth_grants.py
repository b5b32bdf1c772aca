"""A refresh token is good for one use: an immediate repeat is accepted, a copy ends the login."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from starlette.requests import Request

from api.http.requests import login_cookie
from api.identity.accounts.sessions import Sessions
from api.identity.model import FIRST_PARTY, User
from api.identity.oauth.grants import GrantRefused, Grants
from api.identity.opaque import challenge_of
from api.identity.repository import COLLECTIONS, REFRESH_TOKENS, USERS
from api.identity.tokens.tokens import OwnTokens
from api.storage.protocols import Documents
from infra.ports.store import Transaction
from infra.settings import Settings
from tests.workflow.in_memory import InMemoryStore, ManualTime

LIN = User("lin", "lin@example.com", "hash", ("ROLE_DISTRIBUTOR",), datetime(2026, 11, 1, tzinfo=UTC))


class _Tokens:
    life_s = 600

    async def for_user(self, user: User, client_id: str, scope: str | None) -> str:
        return f"access of {user.id}"


class Login:
    """One login of one user, with a manual clock."""

    def __init__(self, settings: Settings) -> None:
        self.time = ManualTime(datetime(2026, 11, 22, 12, tzinfo=UTC))
        self.store = InMemoryStore(COLLECTIONS)
        self.grants = Grants(self.store, cast(OwnTokens, _Tokens()), settings, self.time)

    async def begin(self) -> str:
        await self.store.transact(lambda tx: USERS.insert(tx, LIN))
        return (await self.grants.begin(LIN, FIRST_PARTY)).refresh

    async def use(self, token: str, client_id: str = FIRST_PARTY) -> str:
        return (await self.grants.rotate(token, client_id)).refresh

    async def ends_with(self, token: str, last: str) -> None:
        """The token is refused, and so is `last`, the newest token of the login."""
        with pytest.raises(GrantRefused):
            await self.use(token)
        with pytest.raises(GrantRefused):
            await self.use(last)

    def wait(self, seconds: float) -> None:
        self.time.advance_to(self.time.now() + timedelta(seconds=seconds))


@pytest.fixture
def login() -> Login:
    return Login(Settings())


async def test_an_immediate_repeat_gets_the_same_successor(login: Login) -> None:
    first = await login.begin()
    second = await login.use(first)
    login.wait(9)
    assert await login.use(first) == second != first
    login.wait(600)
    third = await login.use(second)
    assert third not in (first, second)


async def test_a_later_reuse_ends_the_login(login: Login) -> None:
    first = await login.begin()
    second = await login.use(first)
    login.wait(11)
    await login.ends_with(first, second)


async def test_a_reuse_after_the_successor_was_used_ends_the_login(login: Login) -> None:
    first = await login.begin()
    second = await login.use(first)
    third = await login.use(second)
    await login.ends_with(first, third)


@pytest.mark.parametrize("thief_is_first", [True, False])
async def test_an_immediate_theft_is_detected_at_the_next_use(login: Login, thief_is_first: bool) -> None:
    first = await login.begin()
    owners, thiefs = await login.use(first), await login.use(first)
    early, late = (thiefs, owners) if thief_is_first else (owners, thiefs)
    login.wait(300)
    newest = await login.use(early)
    login.wait(300)
    await login.ends_with(late, newest)


async def test_a_repeat_by_another_client_is_refused(login: Login) -> None:
    first = await login.begin()
    second = await login.use(first)
    with pytest.raises(GrantRefused):
        await login.use(first, "another")
    assert await login.use(second)


async def test_a_repeat_does_not_revive_an_ended_login(login: Login) -> None:
    first = await login.begin()
    await login.use(first)
    await login.grants.revoke(first, FIRST_PARTY)
    with pytest.raises(GrantRefused):
        await login.use(first)


async def test_a_repeat_ends_the_login_if_retries_are_disabled() -> None:
    login = Login(Settings(refresh_retry_s=0))
    first = await login.begin()
    second = await login.use(first)
    login.wait(1)
    await login.ends_with(first, second)


async def test_the_store_does_not_contain_the_tokens(login: Login) -> None:
    first = await login.begin()
    second = await login.use(first)
    for document in await login.store.find(REFRESH_TOKENS.name, {}):
        assert first not in str(document)
        assert second not in str(document)


async def ended(login: Login) -> None:
    async def work(tx: Transaction) -> None:
        await login.grants.end_all(tx, LIN.id, "the password was reset")

    await login.store.transact(work)


async def test_a_code_from_before_the_end_of_all_logins_begins_none(login: Login) -> None:
    await login.begin()
    code = await login.grants.code_for(LIN, FIRST_PARTY, "https://a.example/cb", challenge_of("v"), None)
    await ended(login)
    login.wait(5)
    with pytest.raises(GrantRefused):
        await login.grants.redeem(code, FIRST_PARTY, "https://a.example/cb", "v")


async def test_a_login_whose_password_was_checked_before_the_end_of_all_does_not_go_on(login: Login) -> None:
    await login.begin()
    await ended(login)
    tokens = await login.grants.begin(LIN, FIRST_PARTY)
    with pytest.raises(GrantRefused):
        await login.use(tokens.refresh)


async def test_a_login_after_the_end_of_all_goes_on(login: Login) -> None:
    await login.begin()
    await ended(login)
    lin = await USERS.get(login.store, LIN.id)
    assert lin is not None
    code = await login.grants.code_for(lin, FIRST_PARTY, "https://a.example/cb", challenge_of("v"), None)
    tokens = await login.grants.redeem(code, FIRST_PARTY, "https://a.example/cb", "v")
    assert await login.use(tokens.refresh)


async def test_a_browser_whose_password_was_checked_before_the_end_of_all_is_not_logged_in(login: Login) -> None:
    await login.begin()
    await ended(login)
    sessions = Sessions(cast(Documents, login.store), Settings(), login.time)
    lin = await USERS.get(login.store, LIN.id)
    assert lin is not None
    for user, expected in ((LIN, None), (lin, lin)):
        header = f"{login_cookie(https=False)}={await sessions.begin(user)}".encode()
        assert await sessions.user_of(Request({"type": "http", "headers": [(b"cookie", header)]})) == expected
